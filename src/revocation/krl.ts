// The portal's revocation list for sshd (RevokedKeys). sshd refuses every key when the file is missing or damaged, so
// it is replaced only by a whole list, never by an older one, and never by an empty one unless the administrator says
// so.
import { decodeBase64 } from '../base/bytes.ts'
import { paths } from '../base/paths.ts'
import type { Parts, ReadOnlyWorld } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { HttpAnswer } from '../portal-client/http.ts'
import { openPortalHttp, type PortalHttpWorld } from '../portal-client/portal-http.ts'
import type { NoAnswer } from '../portal-client/reply-format.ts'
import { formatEmptyList, parseRevocationList, type RevocationList } from './krl-format.ts'

export type KrlUpdate =
  | { readonly kind: 'written'; readonly changed: boolean; readonly detail: string }
  | { readonly kind: 'refused'; readonly detail: string }
  | NoAnswer

export type KrlState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged'; readonly problem: string }
  | { readonly kind: 'list'; readonly list: RevocationList; readonly ageSeconds: number }

const sizeLimit = 16 << 20

/** The list that sshd has now, and its age. */
export function readKrl(world: ReadOnlyWorld): KrlState {
  const facts = world.files.stat(paths.revokedKeys)
  const bytes = world.files.readTrusted(paths.revokedKeys, { limit: sizeLimit, secret: false })
  if (!bytes || !facts) return { kind: 'absent' }
  const list = parseRevocationList(bytes)
  if ('problem' in list) return { kind: 'damaged', problem: list.problem }
  return { kind: 'list', list, ageSeconds: Math.max(0, Math.floor(world.now() - facts.modifiedAt)) }
}

/** Without a limit every age will do; an absent or damaged list is too old for any limit. */
export const isStale = (state: KrlState, maxAge: number): boolean =>
  maxAge > 0 && (state.kind !== 'list' || state.ageSeconds > maxAge)

export async function updateKrl(
  world: PortalHttpWorld & Parts<'spawn' | 'stdout' | 'stderr' | 'syslog'>,
  config: Config,
  allowEmpty: boolean,
): Promise<KrlUpdate> {
  const answer = await openPortalHttp(
    world,
    config,
  )({
    method: 'GET',
    url: config.krl_url ?? `${config.portal_url}/ssh/revoked`,
    headers: { accept: 'application/octet-stream' },
    binary: true,
    limit: sizeLimit,
  })
  const body = bodyOf(answer)
  if (!(body instanceof Uint8Array)) return body
  world.files.makeDirectory(paths.run, 0o755)
  return world.files.withLock(`${paths.run}/krl.lock`, () => replace(world, body, allowEmpty))
}

function bodyOf(answer: HttpAnswer): Uint8Array<ArrayBuffer> | KrlUpdate {
  // Too large: certificates that were revoked since go on, and somebody must know.
  if (answer.kind === 'garbled') return { kind: 'refused', detail: `/ssh/revoked: ${answer.detail}` }
  if (answer.kind !== 'answer') return answer
  const garbled = (what: string): NoAnswer => ({ kind: 'garbled', detail: `/ssh/revoked: ${what}` })
  if (answer.status !== 200) return garbled(`HTTP ${answer.status}`)
  const type = answer.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type === 'text/html') return garbled('a page instead of a list (is the ssh plugin of the portal active?)')
  return decodeBase64(answer.text) ?? garbled('not bytes')
}

async function replace(
  world: Parts<'now' | 'timeout' | 'files' | 'spawn' | 'stdout' | 'stderr' | 'syslog'>,
  body: Uint8Array<ArrayBuffer>,
  allowEmpty: boolean,
): Promise<KrlUpdate> {
  const refused = (detail: string): KrlUpdate => ({ kind: 'refused', detail })
  // A portal that never revoked anything sends an empty body; for sshd that is made a list.
  const bytes = body.length === 0 ? formatEmptyList() : body
  const next = parseRevocationList(bytes)
  if ('problem' in next) return refused(`the portal’s list is not whole: ${next.problem}`)
  const present = readKrl(world)
  if (present.kind === 'list') {
    if (next.sections === 0 && present.list.sections > 0 && !allowEmpty)
      return refused(
        'the portal’s list is empty and the present one is not; if that is right: ob krl update --allow-empty',
      )
    // An empty list that was asked for may be one that this program made, without a date.
    const isOlder = next.version < present.list.version || next.generatedAt < present.list.generatedAt
    if (isOlder && !(next.sections === 0 && allowEmpty))
      return refused('the portal’s list is older than the present one')
  }
  const doubt = await examine(world, bytes)
  if (doubt !== undefined) return refused(doubt)
  const before = world.files.read(paths.revokedKeys, sizeLimit)
  world.files.writeAtomic(paths.revokedKeys, bytes, { mode: 0o644 })
  const changed = !before || before.length !== bytes.length || before.some((byte, at) => byte !== bytes[at])
  return { kind: 'written', changed, detail: describeList(next) }
}

/** The objection of OpenSSH itself to the list; undefined when it takes it. */
async function examine(world: Parts<'files' | 'spawn'>, bytes: Uint8Array): Promise<string | undefined> {
  const candidate = `${paths.run}/revoked_keys`
  world.files.writeAtomic(candidate, bytes, { mode: 0o600 })
  try {
    const { code, stderr } = await world.spawn(['ssh-keygen', '-Q', '-l', '-f', candidate])
    if (code === 0) return undefined
    return `ssh-keygen does not take the portal’s list: ${stderr.split('\n')[0]?.slice(0, 200) ?? ''}`
  } finally {
    world.files.remove(candidate)
  }
}

export const describeList = ({ version, generatedAt, sections }: RevocationList): string => {
  if (sections === 0) return 'a list that revokes nothing'
  const when = generatedAt === 0 ? 'without a date' : `of ${new Date(generatedAt * 1000).toISOString()}`
  return `list version ${version} ${when}`
}
