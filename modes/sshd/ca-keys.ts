// AuthorizedKeysCommand for the account of the certificate authority: the very key that is offered, bound to one
// command. sshd proves the key; what becomes of it is decided afterwards.
import { decodeBase64 } from '../../src/base/bytes.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { parsePublicKey } from '../../src/ssh/wire.ts'
import { ended, type ReadingMode, usage } from '../run/mode.ts'

/** sudo gives it root's eyes; packaging/sudoers/open-bastion-ca allows exactly this. */
const command = '/usr/bin/sudo -n /usr/sbin/ob ca sign'

export const mode: ReadingMode = {
  sources: () => undefined,
  run: async (args) => {
    const [type = '', blob = ''] = args
    if (args.length !== 2) return usage('AuthorizedKeysCommand /usr/sbin/ob ca-keys %t %k')
    const bytes = decodeBase64(blob)
    const key = bytes && parsePublicKey(bytes)
    // A certificate is somebody's word about a key; here the key itself is wanted.
    if (!key || 'problem' in key || key.certificate || key.type !== type) return ended(denied('no-keys'))
    return ended(allowed('keys-listed'), `restrict,command="${command}" ${type} ${blob}\n`)
  },
}
