// Starts the page of a challenge: a process of its own, as a user that owns nothing, which ends by itself.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { formatCode } from './challenge-format.ts'
import { mostBytes } from './key-store.ts'
import { formatPageOrder, type PageOrder, parsePageReady } from './page-format.ts'

type Needs = Parts<'files' | 'random' | 'spawn' | 'timeout' | 'callerSeed'>
type WebConfig = Pick<
  Config,
  | 'gpg_web'
  | 'gpg_web_address'
  | 'gpg_web_first_port'
  | 'gpg_web_last_port'
  | 'gpg_web_certificate'
  | 'gpg_web_key'
  | 'gpg_timeout'
>

export type Page =
  | { readonly kind: 'none'; readonly note: string }
  | { readonly kind: 'open'; readonly text: string; readonly pid: number; readonly uid: number }

/** The account that packaging/sysusers.d makes. */
const account = 'ob-gpg'

export async function startPage(world: Needs, config: WebConfig, armored: string): Promise<Page> {
  if (config.gpg_web === 'off') return { kind: 'none', note: '' }
  const { code, stdout } = await world.spawn(['getent', 'passwd', account], { signal: world.timeout(3) })
  const [, , uid, gid] = stdout.trim().split(':')
  if (code !== 0 || !(Number(uid) > 0)) return { kind: 'none', note: `no page: there is no user ${account}` }
  const order = orderOf(world, config, armored)
  // Nothing of ours stays open in it: setsid(1) gives it a session of its own, and it closes what it answered on.
  const become = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs', '--']
  const started = await world.spawn([...become, 'setsid', '--fork', '/usr/sbin/ob', 'gpg-page'], {
    stdin: formatPageOrder(order),
    signal: world.timeout(5),
    limit: 4096,
  })
  const ready = parsePageReady(started.stdout)
  if (!ready) return { kind: 'none', note: `no page: ${started.stderr.trim().slice(0, 200) || 'it did not start'}` }
  return { kind: 'open', text: textFor(order, ready.port), pid: ready.pid, uid: Number(uid) }
}

function orderOf(world: Needs, config: WebConfig, armored: string): PageOrder {
  const { gpg_web: variant, gpg_web_address: address = '', gpg_web_certificate, gpg_web_key } = config
  const hasTls = !variant.endsWith('NoTls')
  const asks = variant.startsWith('webQrAuth')
  return {
    armored,
    address,
    firstPort: config.gpg_web_first_port,
    lastPort: config.gpg_web_last_port,
    seconds: config.gpg_timeout,
    caller: world.callerSeed(),
    ...(asks
      ? { login: { user: formatCode(world.random(10)).slice(0, 9), password: formatCode(world.random(10)) } }
      : {}),
    ...(hasTls
      ? { tls: { key: read(world, gpg_web_key, true), certificate: read(world, gpg_web_certificate, false) } }
      : {}),
  }
}

function read({ files }: Parts<'files'>, path: string | undefined, secret: boolean): string {
  const bytes = path === undefined ? undefined : files.readTrusted(path, { limit: mostBytes, secret })
  const text = bytes && decodeUtf8(bytes)
  if (text === undefined)
    throw new Fault(`${path ?? 'the file of gpg_web'} does not exist`, { hint: 'or set gpg_web = off' })
  return text
}

function textFor({ tls, address, login }: PageOrder, port: number): string {
  const host = address.includes(':') ? `[${address}]` : address
  const where = `For a QR code point your browser at ${tls ? 'https' : 'http'}://${host}:${port}/`
  return login ? `${where}\nAuthenticate there as ${login.user} and ${login.password}` : where
}

/** The challenge was answered, so nobody needs the page. A number that now is another user's process is left alone. */
export function endPage({ processes }: Parts<'processes'>, page: { readonly pid: number; readonly uid: number }): void {
  if (processes.ofUser(page.uid).includes(page.pid)) processes.signal(page.pid, 'SIGKILL')
}
