// Public OpenPGP keys of people, for the administrator.
import { decodeUtf8 } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { makeChallenge } from '../../src/gpg/ask.ts'
import { hashOfCode, parseCode } from '../../src/gpg/challenge-format.ts'
import { type Engine, openEngine } from '../../src/gpg/engine.ts'
import { addKeys, lookAtKeys, readNewKeys, removeKeys } from '../../src/gpg/key-admin.ts'
import {
  type KeyFacts,
  parseKeyFingerprint,
  printableId,
  problemRemedy,
  problemText,
} from '../../src/gpg/key-policy.ts'
import { keyPath, mostBytes, readSigner, usersWithKeys } from '../../src/gpg/key-store.ts'
import { readRecipient } from '../../src/gpg/recipient.ts'
import { formatScreen } from '../../src/gpg/screen-format.ts'
import { readUserFile } from '../../src/gpg/user-file.ts'
import { type Parsed, parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'gpg',
  summary:
    'Public OpenPGP keys of people, who answer a challenge with them: add USER FILE (or - for standard input) stores keys, list shows them, check USER says whether a challenge would be encrypted to them, remove USER [FINGERPRINT] takes them away, test USER makes a challenge to try without a login, import USER takes over what ~/.auth_gpg says, signing-key makes the key with which this host signs challenges. In a PAM stack ob gpg ask shows a challenge and ob gpg check judges the answer.',
  args: {
    verb: { type: 'positional', description: 'add, list, check, remove, test, import or signing-key', required: true },
    user: { type: 'positional', description: 'the user', required: false },
    what: { type: 'positional', description: 'add: the file; remove, import: a fingerprint', required: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

type Wishes = Parsed<typeof syntax.args>
type Host = {
  readonly world: World & { readonly engine: Engine }
  readonly config: Config
  readonly json: boolean
}
type Verb = (host: Host, user: LoginName, what: string | undefined) => Promise<Ending>

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, user: name, what, json } = result.parsed
    const work = verbs.get(verb)
    const problem = wrong(result.parsed)
    if (problem !== undefined) return usage(problem)
    const host = { world: { ...world, engine: await openEngine() }, config: loadConfig(world.files), json }
    if (verb === 'list') return list(host)
    if (verb === 'signing-key') return signingKey(host)
    const user = parseLoginName(name ?? '')
    if (!user || !work) return usage(`${verb} needs a name of 1 to 32 of a-z 0-9 _ - . that begins with a letter or _`)
    return work(host, user, what)
  },
}

const fingerprinted: ReadonlySet<string> = new Set(['remove', 'import'])

function wrong({ verb, user, what }: Wishes): string | undefined {
  if (verb === 'ask') return 'ask is what pam_exec runs, in an auth line; to try a challenge: ob gpg test USER'
  if (verb === 'list') return user === undefined ? undefined : 'list takes no user; to look at one: ob gpg check USER'
  if (verb === 'signing-key') return user === undefined ? undefined : 'signing-key takes no user'
  if (!verbs.has(verb)) return `"${verb.slice(0, 40)}" is not add, list, check, remove, test, import or signing-key`
  if (user === undefined) return `${verb} needs a user`
  if (verb === 'add' && what === undefined) return 'add needs a file with the public key, or - for standard input'
  if (fingerprinted.has(verb) && what !== undefined && parseKeyFingerprint(what) === undefined)
    return 'a fingerprint is 40 or 64 hexadecimal digits, as ob gpg list shows it'
  const takesMore = verb === 'add' || fingerprinted.has(verb)
  return what !== undefined && !takesMore ? `${verb} takes a user and nothing else` : undefined
}

const answer = ({ json }: Host, isGood: boolean, { value, text }: { value: object; text: string }): Ending =>
  ended(isGood ? allowed('done') : denied('found-problems'), json ? `${JSON.stringify(value)}\n` : `${text}\n`)

const day = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 10)

function describe({ fingerprint, algorithm, expires, userIds, problem }: KeyFacts): string {
  const end = expires === undefined ? 'does not expire' : `expires ${day(expires)}`
  const state = problem === undefined ? '' : `\n    not used: ${problemText(problem)}; ${problemRemedy(problem)}`
  return `  ${fingerprint}  ${algorithm}  ${end}  ${userIds.map(printableId).join(', ')}${state}`
}

const add: Verb = async (host, user, what = '-') => {
  const { world } = host
  const from = what === '-' ? 'standard input' : what
  const bytes = what === '-' ? world.stdin(mostBytes + 1) : world.files.read(what, mostBytes)
  if (!bytes) throw new Fault(`${what} does not exist`)
  const added = await readNewKeys(world, bytes, from)
  const facts = await addKeys(world, user, added)
  const text = [`${keyPath(user)}:`, ...facts.map(describe)].join('\n')
  return answer(host, true, { value: { user, keys: facts }, text })
}

async function list(host: Host): Promise<Ending> {
  const rows: { user: string; keys: readonly KeyFacts[]; problem?: string }[] = []
  for (const user of usersWithKeys(host.world)) {
    const found = await lookAtKeys(host.world, user)
    if (found) rows.push({ user, keys: found.facts, ...(found.problem ? { problem: found.problem } : {}) })
  }
  const text = rows.flatMap(({ user, keys, problem }) => [user, ...keys.map(describe), ...(problem ? [problem] : [])])
  return answer(host, true, { value: rows, text: text.join('\n') || 'nobody has a key here; ob gpg add USER FILE' })
}

const check: Verb = async (host, user) => {
  const { world, config } = host
  const found = await lookAtKeys(world, user)
  const problems: string[] = []
  if (!found) problems.push(`${user} has no ${keyPath(user)}; run: ob gpg add ${user} FILE`)
  if (found?.problem) problems.push(`${keyPath(user)}: ${found.problem}`)
  const usable = found?.facts.filter(({ problem }) => problem === undefined) ?? []
  if (found && usable.length === 0) problems.push(`no key of ${user} can be encrypted to; ${user} cannot answer`)
  if (!(await readRecipient(world, config, user)).permitted)
    problems.push(`gpg_users and gpg_groups do not name ${user}, who cannot answer`)
  if ((await world.spawn(['getent', 'passwd', user])).code !== 0)
    problems.push(`${user} has no account on this host: ob nss add ${user}`)
  const lines = [...(found?.facts.map(describe) ?? []), ...problems, ...(await notes(world, config))]
  const value = { user, keys: found?.facts ?? [], problems }
  return answer(host, problems.length === 0, { value, text: [user, ...lines].join('\n') })
}

/** What is not wrong, but shorter than it looks. */
async function notes(world: World, config: Config): Promise<readonly string[]> {
  const { code, stdout } = await world.spawn(['/usr/sbin/sshd', '-T'])
  const grace = Number(/^logingracetime (\d+)$/m.exec(stdout)?.[1] ?? 0)
  if (code !== 0 || grace === 0 || grace > config.gpg_timeout) return []
  return [`note: sshd ends a login after ${grace} s (LoginGraceTime), sooner than gpg_timeout = ${config.gpg_timeout}`]
}

const remove: Verb = async (host, user, what) => {
  const fingerprint = what === undefined ? undefined : parseKeyFingerprint(what)
  const left = await removeKeys(host.world, user, fingerprint)
  if (!left) return answer(host, false, { value: { user, removed: false }, text: `${user} has no such key here` })
  const text = [`removed; ${left.length} left`, ...left.map(describe)].join('\n')
  return answer(host, true, { value: { user, removed: true, keys: left }, text })
}

/** The same challenge as at a login, and nothing is left of it. */
const test: Verb = async (host, user) => {
  const { world, config } = host
  const recipient = await readRecipient(world, config, user)
  const login = { user, name: user, service: 'test', from: undefined, connection: '', reference: '', breakGlass: false }
  const about = { gpg_timeout: config.gpg_timeout, signer: readSigner(world, config) }
  const { armored, pending } = await makeChallenge({ ...world, uptime: 0 }, about, { login, recipient })
  if (pending.keysHash === undefined) return check(host, user, undefined)
  world.stdout(await formatScreen(armored, config))
  const typed = parseCode(decodeUtf8(await world.hiddenInput('Code: ', 512)) ?? '')
  const isRight = typed !== undefined && hashOfCode(typed) === pending.codeHash
  const text = isRight ? 'right: this key opens challenges' : 'wrong: that is not the code of this challenge'
  return answer(host, isRight, { value: { user, right: isRight }, text })
}

/** ~/.auth_gpg becomes a file of root's; nothing in the home is changed. */
const importOwn: Verb = async (host, user, what) => {
  const { world, config } = host
  const own = await readUserFile(world, user, what === undefined ? undefined : parseKeyFingerprint(what))
  if (own.kind === 'absent') throw new Fault(`${user} has no ~/.auth_gpg`, { hint: `ob gpg add ${user} FILE` })
  if (own.kind === 'refused')
    throw new Fault(own.problem, { hint: `or export the key and run: ob gpg add ${user} FILE` })
  const [key] = own.keys
  if (!own.file.isTrusted && what === undefined)
    throw new Fault(`~/.auth_gpg of ${user} says notrust, and this host asks nobody whom to trust`, {
      hint: `compare the fingerprint with its owner, then: ob gpg import ${user} ${key?.facts.fingerprint}`,
    })
  const facts = await addKeys(world, user, own.keys)
  const { signAs, web } = own.file
  const todo = [
    ...(signAs !== undefined && config.gpg_signing_key === undefined
      ? [`note: challenges were signed as ${printableId(signAs)}; a key of this host does it now: ob gpg signing-key`]
      : []),
    ...(web !== undefined && config.gpg_web !== web ? [`note: for its page in a browser set gpg_web = ${web}`] : []),
  ]
  const text = [`${keyPath(user)}:`, ...facts.map(describe), ...todo].join('\n')
  return answer(host, true, { value: { user, keys: facts, signAs, web }, text })
}

const usualSigningKey = '/etc/open-bastion/gpg-signing.key'

async function signingKey(host: Host): Promise<Ending> {
  const { world, config } = host
  const path = config.gpg_signing_key ?? usualSigningKey
  const present = readSigner(world, { gpg_signing_key: world.files.stat(path) ? path : undefined })
  const secret = present ?? (await world.engine.makeKey(`challenges of ${world.hostname()}`, world.now())).secret
  const half = await world.engine.publicHalf(secret)
  if (half === undefined) throw new Fault(`${path} is no secret key without passphrase`, { hint: `remove ${path}` })
  if (present === undefined) world.files.writeAtomic(path, secret, { mode: 0o600 })
  const line = config.gpg_signing_key === undefined ? `write into openbastion.conf: gpg_signing_key = ${path}\n` : ''
  const text = `${line}people verify challenges with this public key (gpg --import):\n${half.trimEnd()}`
  return answer(host, true, { value: { path, made: present === undefined, publicKey: half }, text })
}

const verbs: ReadonlyMap<string, Verb | undefined> = new Map([
  ['add', add],
  ['check', check],
  ['remove', remove],
  ['test', test],
  ['import', importOwn],
])
