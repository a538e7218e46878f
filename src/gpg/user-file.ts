// ~/.auth_gpg and the key ring beside it: the user's own files, for `ob gpg import` and, where gpg_user_files says so,
// at a login.
import { decodeUtf8 } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import { type AuthGpg, namesAddress, parseAuthGpg } from './auth-gpg-format.ts'
import type { Engine, OpenKey } from './engine.ts'
import { isUsable, parseKeyFingerprint, problemText } from './key-policy.ts'
import { parseKeybox } from './keybox-format.ts'

type Needs = Parts<'files' | 'spawn' | 'deadline' | 'now'> & { readonly engine: Engine }

export type UserFile =
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'found'; readonly file: AuthGpg; readonly keys: readonly OpenKey[] }

const mostRingBytes = 4 << 20

/** A Fault where the files belong to somebody else, are links, or can be written by others. */
export async function readUserFile(world: Needs, user: LoginName, named?: string): Promise<UserFile> {
  const { code, stdout } = await world.spawn(['getent', 'passwd', '--', user], { signal: world.deadline })
  const [, , uid, gid, , home] = stdout.trim().split(':')
  // root's files are root's business, and a home of / is nobody's.
  if (code !== 0 || !home?.startsWith('/') || home === '/' || !(Number(uid) > 0)) return { kind: 'absent' }
  const rules = { uid: Number(uid), gid: Number(gid) }
  const bytes = world.files.readOwned(`${home}/.auth_gpg`, { ...rules, limit: 8192 })
  if (!bytes) return { kind: 'absent' }
  const file = parseAuthGpg(decodeUtf8(bytes) ?? '\u0000')
  if ('problem' in file) return { kind: 'refused', problem: `${home}/.auth_gpg: ${file.problem}` }
  const ring = ['pubring.kbx', 'pubring.gpg'].flatMap((name) => {
    const found = world.files.readOwned(`${home}/.gnupg/${name}`, { ...rules, limit: mostRingBytes })
    return found ? [found] : []
  })
  if (ring.length === 0) return { kind: 'refused', problem: `there is no ${home}/.gnupg/pubring.kbx or pubring.gpg` }
  const keys = await choose(world, ring, named ?? file.to)
  return typeof keys === 'string' ? { kind: 'refused', problem: keys } : { kind: 'found', file, keys }
}

/** The one key that the file means; a text says why there is none. */
async function choose(
  { engine, now }: Pick<Needs, 'engine' | 'now'>,
  rings: readonly Uint8Array[],
  to: string,
): Promise<readonly OpenKey[] | string> {
  const fingerprint = parseKeyFingerprint(to)
  const found = new Map<string, OpenKey>()
  for (const blob of rings.flatMap((ring) => parseKeybox(ring) ?? [ring]))
    for (const key of (await engine.read(blob, now(), { whole: true })).keys)
      if (
        fingerprint === undefined
          ? key.facts.userIds.some((id) => namesAddress(id, to))
          : key.facts.fingerprint === fingerprint
      )
        found.set(key.facts.fingerprint, key)
  const keys = [...found.values()]
  const usable = keys.filter(({ facts }) => isUsable(facts))
  if (keys.length === 0) return `the key ring has no key of ${to}`
  if (usable.length === 0) return `the key of ${to} is refused: ${problemText(keys[0]!.facts.problem ?? 'unsound')}`
  if (usable.length > 1)
    return `the key ring has several keys of ${to}: ${usable.map(({ facts }) => facts.fingerprint).join(', ')}`
  return usable
}
