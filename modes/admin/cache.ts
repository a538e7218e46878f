// What is kept for when the portal is unreachable, for the administrator: who, since when, until when. Never a
// verifier.

import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { forcedOnline } from '../../src/offline/force-online.ts'
import { openCacheLimits } from '../../src/offline/grants.ts'
import { type CachedEntry, type CachedKind, type Inventory, openInventory } from '../../src/offline/inventory.ts'
import { openOfflinePasswords } from '../../src/offline/passwords.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'cache',
  summary:
    'What is kept for when the portal is away: list, show USER and stats say what there is; invalidate USER and invalidate-all --yes destroy it; unlock USER ends a lock after wrong passwords; cleanup removes what has expired or is no entry; verify opens everything.',
  args: {
    verb: {
      type: 'positional',
      description: 'list, show, stats, invalidate, invalidate-all, unlock, cleanup or verify',
      required: true,
    },
    user: { type: 'positional', description: 'the user to show, invalidate or unlock', required: false },
    yes: { type: 'boolean', description: 'really destroy everything', default: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

type Job = {
  readonly world: World
  readonly config: Config
  readonly inventory: Inventory
  readonly json: boolean
  readonly yes: boolean
}

const verbs: ReadonlyMap<string, (job: Job) => Promise<Ending>> = new Map([
  ['list', list],
  ['stats', stats],
  ['invalidate-all', invalidateAll],
  ['cleanup', cleanup],
  ['verify', verify],
])

const userVerbs: ReadonlyMap<string, (job: Job, user: LoginName) => Promise<Ending>> = new Map([
  ['show', show],
  ['invalidate', invalidate],
  ['unlock', unlock],
])

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, user, json, yes } = result.parsed
    const [forAll, forUser] = [verbs.get(verb), userVerbs.get(verb)]
    if (!forAll && !forUser)
      return usage(`"${verb.slice(0, 40)}" is not ${[...verbs.keys(), ...userVerbs.keys()].join(', ')}`)
    if (forAll && user !== undefined) return usage(`${verb} takes no user`)
    if (yes && verb !== 'invalidate-all') return usage(`${verb} takes no --yes`)
    const name = parseLoginName(user ?? '')
    if (forUser && !name)
      return usage(user === undefined ? `${verb} needs a user` : `"${user.slice(0, 40)}" is not a user name`)
    const config = loadConfig(world.files)
    const job: Job = { world, config, inventory: openInventory(world, config), json, yes }
    if (forAll) return forAll(job)
    return forUser && name ? forUser(job, name) : usage(`${verb} needs a user`)
  },
}

const answer = ({ json }: Job, value: object, text: string): Ending =>
  ended(allowed('done'), json ? `${JSON.stringify(value)}\n` : `${text}\n`)

/** Looks at every entry, one after the other, and says how far it is to whoever watches. */
async function each(job: Job, work: (kept: CachedEntry, name: string) => void | Promise<void>): Promise<number> {
  const { world, inventory } = job
  const files = inventory.files()
  for (const [index, file] of files.entries()) {
    const kept = await inventory.examine(file)
    if (index % 1000 === 0) world.terminal?.redraw(`${index} of ${files.length}`)
    if (kept) await work(kept, file.name)
  }
  world.terminal?.redraw('')
  return files.length
}

const when = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')

const row = ({ kind, user, state, expiresAt, detail }: CachedEntry): string =>
  [
    (user ?? '?').padEnd(24),
    kind.padEnd(13),
    state.padEnd(10),
    expiresAt === undefined ? ' '.repeat(20) : when(expiresAt),
    detail,
  ]
    .join(' ')
    .trimEnd()

/** Written as it is found: a hundred thousand entries are never held at once. */
async function list(job: Job): Promise<Ending> {
  const { world, json } = job
  let [count, chunk] = [0, '']
  const flush = (): void => {
    world.terminal?.redraw('')
    world.stdout(chunk)
    chunk = ''
  }
  await each(job, (kept) => {
    chunk += json ? `${count === 0 ? '[' : ',\n'}${JSON.stringify(kept)}` : `${row(kept)}\n`
    count++
    if (chunk.length > 65_536) flush()
  })
  if (json) chunk += count === 0 ? '[]\n' : ']\n'
  else if (count === 0) chunk = 'nothing is kept\n'
  flush()
  return ended(allowed('done'))
}

async function show(job: Job, user: LoginName): Promise<Ending> {
  const { world, config, inventory } = job
  const kept = await inventory.ofUser(user)
  const forced = forcedOnline(world, config, user) === 'listed'
  const lines = kept.flatMap((one) => [`${one.kind}: ${one.state}${one.detail && `, ${one.detail}`}`, ...facts(one)])
  if (forced) lines.push(`${config.auth_cache_force_online} names the user: what is kept is not used`)
  if (kept.length === 0) lines.unshift(`nothing is kept for ${user}`)
  return answer(job, { user, forcedOnline: forced, kept }, lines.join('\n'))
}

const facts = ({
  file,
  createdAt,
  expiresAt,
  lastSuccessAt,
  failures,
  lockedSeconds,
  sudo,
  groups,
  keys,
}: CachedEntry) => [
  `  file: ${file}`,
  ...(createdAt === undefined ? [] : [`  kept since: ${when(createdAt)}`]),
  ...(expiresAt === undefined ? [] : [`  until: ${when(expiresAt)}`]),
  ...(sudo === undefined ? [] : [`  sudo: ${sudo ? 'allowed' : 'not allowed'}`]),
  ...(groups === undefined || groups.length === 0 ? [] : [`  groups: ${groups.join(', ')}`]),
  ...(keys === undefined ? [] : [`  keys the portal accepted: ${keys}`]),
  ...(lastSuccessAt === undefined ? [] : [`  last accepted: ${when(lastSuccessAt)}`]),
  ...(failures === undefined ? [] : [`  failures: ${failures}`]),
  ...(lockedSeconds === undefined || lockedSeconds === 0 ? [] : [`  locked: ${lockedSeconds} s more`]),
]

type Counts = Record<string, number>

async function stats(job: Job): Promise<Ending> {
  const counts: Record<CachedKind, Counts> = { authorization: {}, password: {}, token: {} }
  await each(job, ({ kind, state }) => {
    counts[kind][state] = (counts[kind][state] ?? 0) + 1
  })
  const lines = Object.entries(counts).map(([kind, states]) => {
    const total = Object.values(states).reduce((sum, count) => sum + count, 0)
    const parts = Object.entries(states).map(([state, count]) => `${count} ${state}`)
    return `${`${kind}s:`.padEnd(16)}${total}${parts.length > 0 ? ` (${parts.join(', ')})` : ''}`
  })
  return answer(job, counts, lines.join('\n'))
}

const erasureNotice =
  'Each was overwritten, synced and unlinked. On copy-on-write file systems, flash and in backups the old blocks may\n' +
  'live on: sealed, useless without the keys of this host, and an old password entry put back is refused.'

/** By name at once; then whatever else says this user, under other host names or as a token. */
async function invalidate(job: Job, user: LoginName): Promise<Ending> {
  const { world, config, inventory } = job
  const destroyed: string[] = []
  if (await openOfflinePasswords(world, config).forget(user)) destroyed.push('password')
  for (const { kind, file } of await inventory.ofUser(user))
    if (kind === 'authorization' && world.files.destroy(file)) destroyed.push(kind)
  await each(job, (kept) => {
    if (kept.user === user && world.files.destroy(kept.file)) destroyed.push(kept.kind)
  })
  const text =
    destroyed.length === 0
      ? `nothing was kept for ${user}`
      : `${user}: ${destroyed.join(', ')} destroyed\n${erasureNotice}`
  return answer(job, { user, destroyed }, text)
}

async function invalidateAll(job: Job): Promise<Ending> {
  const { world, config, inventory, yes } = job
  const files = inventory.files()
  if (!yes) return usage(`${files.length} entries would be destroyed; ob cache invalidate-all --yes does it`)
  const credentials = openOfflinePasswords(world, config)
  let count = 0
  await each(job, async ({ kind, user, file }) => {
    const name = parseLoginName(user ?? '')
    const gone = kind === 'password' && name ? await credentials.forget(name) : false
    if (world.files.destroy(file) || gone) count++
  })
  return answer(job, { destroyed: count }, `${count} entries destroyed${count > 0 ? `\n${erasureNotice}` : ''}`)
}

async function unlock(job: Job, user: LoginName): Promise<Ending> {
  const { world, config } = job
  openCacheLimits(world, config).clear(user)
  const done = await openOfflinePasswords(world, config).unlock(user)
  if (done === 'unlocked') return answer(job, { user, done }, `${user}: the failures are forgotten`)
  const text =
    done === 'unknown'
      ? `no password is kept for ${user}`
      : `what is kept for ${user} does not count; ob cache show ${user} says why`
  return ended(denied('found-problems'), job.json ? `${JSON.stringify({ user, done })}\n` : `${text}\n`)
}

/** Only what expired, what is no entry at all, and what a write that died left: never a salt, a key or an index. */
async function cleanup(job: Job): Promise<Ending> {
  const { world, inventory } = job
  let [removed, doubtful] = [0, 0]
  await each(job, ({ state, file }) => {
    if (state === 'expired' || state === 'malformed') removed += world.files.destroy(file) ? 1 : 0
    else if (state === 'tampered' || state === 'unreadable') doubtful++
  })
  for (const path of inventory.leftovers()) removed += world.files.destroy(path) ? 1 : 0
  const rest = doubtful === 0 ? '' : `; ${doubtful} do not open and were left alone, ob cache verify names them`
  return answer(job, { removed, doubtful }, `${removed} files removed${rest}`)
}

async function verify(job: Job): Promise<Ending> {
  const { world, json } = job
  const problems: CachedEntry[] = []
  const count = await each(job, (kept) => {
    if (kept.state === 'tampered' || kept.state === 'unreadable' || kept.state === 'malformed') problems.push(kept)
  })
  if (json) world.stdout(`${JSON.stringify({ entries: count, problems })}\n`)
  else {
    for (const { file, user, state, detail } of problems)
      world.stdout(`${file}: ${state}: ${detail}${user === undefined ? '' : ` (user ${user})`}\n`)
    world.stdout(`${count} entries, ${count - problems.length} open\n`)
  }
  return ended(problems.length === 0 ? allowed('done') : denied('found-problems'))
}
