// What an administrator does with the keys of people: add, remove, look at. Nothing that cannot be encrypted to is
// stored, and no secret key ever.
import { utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Engine, OpenKey } from './engine.ts'
import { type KeyFacts, problemRemedy, problemText } from './key-policy.ts'
import { keyPath, mostBytes, readKeyFile } from './key-store.ts'

type Needs = Parts<'files' | 'now'> & { readonly engine: Engine }

/** Every key in these bytes, or a Fault that says why not one of them is taken. */
export async function readNewKeys(
  { engine, now }: Needs,
  bytes: Uint8Array,
  from: string,
): Promise<readonly OpenKey[]> {
  if (bytes.length > mostBytes)
    throw new Fault(`${from} is larger than ${mostBytes >> 10} KiB`, {
      hint: 'export the keys of this one person: gpg --export --armor FINGERPRINT',
    })
  const { keys, problem } = await engine.read(bytes, now())
  if (problem) throw new Fault(`${from}: ${problemText(problem)}`, { hint: problemRemedy(problem) })
  for (const { facts } of keys)
    if (facts.problem)
      throw new Fault(`${from}: key ${facts.fingerprint} is refused: ${problemText(facts.problem)}`, {
        hint: problemRemedy(facts.problem),
      })
  return keys
}

/** Adds the keys to the file of the user; one that is there already is replaced. Returns all that are there now. */
export async function addKeys(world: Needs, user: LoginName, added: readonly OpenKey[]): Promise<readonly KeyFacts[]> {
  const fresh = new Set(added.map(({ facts }) => facts.fingerprint))
  return change(world, user, (present) => [
    ...present.filter(({ facts }) => !fresh.has(facts.fingerprint)),
    ...new Map(added.map((one) => [one.facts.fingerprint, one])).values(),
  ])
}

/** Without a fingerprint all of them. Undefined when there was nothing to remove. */
export async function removeKeys(
  world: Needs,
  user: LoginName,
  fingerprint: string | undefined,
): Promise<readonly KeyFacts[] | undefined> {
  const file = readKeyFile(world, user)
  if (!file) return undefined
  const { keys } = await world.engine.read(file.bytes, world.now())
  const isThere = fingerprint === undefined || keys.some(({ facts }) => facts.fingerprint === fingerprint)
  if (!isThere) return undefined
  return change(world, user, (present) =>
    fingerprint === undefined ? [] : present.filter(({ facts }) => facts.fingerprint !== fingerprint),
  )
}

function change(
  world: Needs,
  user: LoginName,
  edit: (present: readonly OpenKey[]) => readonly OpenKey[],
): Promise<readonly KeyFacts[]> {
  const { files, engine } = world
  files.makeDirectory(paths.gpgKeys, 0o755)
  return files.withLock(`${paths.gpgKeys}/.lock`, async () => {
    const file = readKeyFile(world, user)
    const present = file ? (await engine.read(file.bytes, world.now())).keys : []
    const keys = edit(present)
    const data = utf8(engine.armor(keys))
    if (data.length > mostBytes)
      throw new Fault(`the keys of ${user} would take more than ${mostBytes >> 10} KiB`, {
        hint: 'remove old ones: ob gpg remove USER FINGERPRINT',
      })
    if (keys.length === 0) files.remove(keyPath(user))
    else files.writeAtomic(keyPath(user), data, { mode: 0o644 })
    return keys.map(({ facts }) => facts)
  })
}

/** The keys of a user as they are now; undefined without a file. */
export async function lookAtKeys(
  world: Needs,
  user: LoginName,
): Promise<{ readonly facts: readonly KeyFacts[]; readonly problem?: string } | undefined> {
  const file = readKeyFile(world, user)
  if (!file) return undefined
  const { keys, problem } = await world.engine.read(file.bytes, world.now())
  return { facts: keys.map(({ facts }) => facts), ...(problem ? { problem: problemText(problem) } : {}) }
}
