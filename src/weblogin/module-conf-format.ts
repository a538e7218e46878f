// /etc/security/pam-weblogin.conf as the C module reads it, and the same as lines of openbastion.conf.
import { Secret } from '../base/secret.ts'

export type ModuleConf = {
  readonly url: string
  readonly token: Secret
  readonly attribute: string
  /** What has no counterpart here, in words. */
  readonly notes: readonly string[]
}

const known: ReadonlySet<string> = new Set(['url', 'token', 'attribute', 'cache_duration', 'retries', 'verify'])
const flags: ReadonlySet<string> = new Set(['pam_user', 'cache_per_rhost'])

/** The settings, or what keeps the module itself from reading them. */
export function parseModuleConf(text: string): ModuleConf | { readonly problem: string } {
  const values = new Map<string, string>()
  const set = new Set<string>()
  for (const line of text.split('\n')) {
    const plain = line.replace(/#.*$/, '').trim()
    if (plain === '') continue
    const [name = '', ...rest] = plain.split('=')
    if (rest.length > 0) values.set(name.trim(), rest.join('=').trim())
    else set.add(plain)
  }
  const [url, token, attribute] = ['url', 'token', 'attribute'].map((name) => values.get(name) ?? '')
  if (!url || !token) return { problem: `${url ? 'token' : 'url'} is not set` }
  if (!attribute && !set.has('pam_user')) return { problem: 'attribute is not set' }
  const bearer = /^Bearer\s+(\S+)$/i.exec(token)?.[1]
  const notes = notesOn(values, set)
  return { url: url.replace(/\/+$/, ''), token: new Secret(bearer ?? token), attribute: attribute || 'username', notes }
}

function notesOn(values: ReadonlyMap<string, string>, set: ReadonlySet<string>): readonly string[] {
  const notes: string[] = []
  const unknown = [...values.keys()].filter((name) => !known.has(name))
  if (unknown.length > 0) notes.push(`unknown to the module too: ${unknown.join(', ')}`)
  if (set.has('pam_user'))
    notes.push('pam_user: here the account that the service confirmed must be the name of the login')
  if (Number(values.get('cache_duration') ?? 0) > 0 || set.has('cache_per_rhost'))
    notes.push('cache_duration: set weblogin_approval; it is bound to user, address and key, and kept on this host')
  if (values.has('retries')) notes.push('retries: here a login has three tries')
  if (values.has('verify')) notes.push('verify: the module never read it; set weblogin_ca_cert for a private authority')
  const others = [...set].filter((flag) => !flags.has(flag))
  return others.length > 0 ? [...notes, `lines without = that mean nothing: ${others.length}`] : notes
}

/** Lines for openbastion.conf. */
export const linesOf = ({ url, token, attribute }: ModuleConf, reveal: boolean) => [
  { key: 'weblogin', value: 'pam-weblogin' },
  { key: 'weblogin_url', value: url },
  { key: 'weblogin_token', value: reveal ? token.expose() : String(token) },
  ...(attribute === 'username' ? [] : [{ key: 'weblogin_attribute', value: attribute }]),
]
