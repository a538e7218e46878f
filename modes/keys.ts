// AuthorizedKeysCommand: which keys count for a user. Asked before anything is proven and by an unprivileged user,
// so it has no side effects, uses no network, and prints nothing rather than something doubtful.
import { decodeUtf8 } from '../src/bytes.ts'
import { formatAuthorizedKeysLine, parseAuthorizedKeysLine, parseKeyOptions } from '../src/formats/authorized-keys.ts'
import { parseLoginName } from '../src/names.ts'
import { allowed, denied } from '../src/outcome.ts'
import type { World } from '../src/world.ts'
import { type Ending, ended, type Mode, usage } from './mode.ts'

const directory = '/etc/open-bastion/authorized_keys.d'
const limit = 1 << 20

export const mode: Mode = {
  run: async (args, world) => {
    const [name = '', , , fingerprint] = args
    if (args.length < 1 || args.length > 4) return usage('AuthorizedKeysCommand /usr/sbin/ob keys %u %t %k %f')
    const user = parseLoginName(name)
    if (!user) return ended(denied('bad-login-name'))
    return list(world, `${directory}/${user}`, fingerprint)
  },
}

/** With %f given, only that key: sshd asks for one key at a time and need not parse the others. */
function list(world: World, path: string, fingerprint: string | undefined): Ending {
  const bytes = world.files.readTrusted(path, { limit, secret: false })
  const lines = (bytes && decodeUtf8(bytes)?.split('\n')) ?? []
  const printed: string[] = []
  for (const text of lines) {
    const line = parseAuthorizedKeysLine(text)
    if (line.kind !== 'key' || (fingerprint !== undefined && line.key.fingerprint !== fingerprint)) continue
    const options = parseKeyOptions(line.options ?? '')
    if ('problem' in options) continue
    const { type, blob } = line.key
    // Written anew from what was understood, without its comment: nothing else can travel along.
    printed.push(`${formatAuthorizedKeysLine(options, { type, base64: blob.toBase64() })}\n`)
  }
  return printed.length > 0 ? ended(allowed('keys-listed'), printed.join('')) : ended(denied('no-keys'))
}
