// Accounts of portal users on this host, for the administrator.

import type { Accounts, Provisioned } from '../../src/accounts/provision.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { remedyFor } from '../../src/base/remedy.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { openPorts, type Ports } from '../../src/login/ports.ts'
import { noAnswer } from '../../src/portal-client/no-answer.ts'
import type { NoAnswer, UserInfo } from '../../src/portal-client/reply-format.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'nss',
  summary:
    'The accounts of portal users: list and show show them, add asks the portal for one and makes it, adopt takes over those that Open Bastion made in /etc/passwd, pin gives a user who has none a uid, remove retires one for ever, refresh and sync ask the portal about one and about all, export writes the files for NSS anew, verify compares everything.',
  args: {
    verb: {
      type: 'positional',
      description: 'list, show, add, adopt, pin, remove, refresh, sync, export or verify',
      required: true,
    },
    user: { type: 'positional', description: 'the user to show, add, adopt, pin, remove or refresh', required: false },
    uid: { type: 'positional', description: 'the uid to pin', required: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
    'dry-run': { type: 'boolean', description: 'adopt: say who would be adopted, change nothing', default: false },
  },
} as const

type Named = {
  readonly ports: Ports
  readonly world: World
  readonly user: LoginName
  readonly uid: string | undefined
  readonly json: boolean
}

type Wish = { readonly world: World; readonly config: Config; readonly json: boolean }

const verbs: Readonly<Record<string, (ports: Ports, wish: Wish) => Promise<Ending>>> = {
  list: (ports, { json }) => list(ports, json),
  export: exportFiles,
  sync: (ports, { world, json }) => sync(ports, world, json),
  verify: async (ports, { world, json }) => verify(await ports.accounts(), world, json),
}
const verbsAboutOne: Readonly<Record<string, (about: Named) => Promise<Ending>>> = { show, add, pin, remove, refresh }

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, user: name, uid, json, 'dry-run': isDry } = result.parsed
    if (isDry && verb !== 'adopt') return usage('--dry-run goes with adopt')
    if (verb === 'adopt') return adoptMode(world, { name, surplus: uid, json, isDry })
    const all = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    const one = Object.hasOwn(verbsAboutOne, verb) ? verbsAboutOne[verb] : undefined
    if (!all && !one) return usage(`"${verb.slice(0, 40)}" is not ${syntax.args.verb.description}`)
    if (one && name === undefined) return usage(`${verb} needs a user`)
    const surplus = all ? name : verb === 'pin' ? undefined : uid
    if (surplus !== undefined) return usage(`${verb} does not take "${surplus.slice(0, 40)}"`)
    const config = loadConfig(world.files)
    const ports = openPorts(world, config)
    if (all) return all(ports, { world, config, json })
    const user = parseLoginName(name ?? '')
    if (!user || user === 'root') return usage(`"${name?.slice(0, 40)}" is not a user name this host accepts`)
    return one!({ ports, world, user, uid, json })
  },
}

type Adopting = {
  readonly name: string | undefined
  readonly surplus: string | undefined
  readonly json: boolean
  readonly isDry: boolean
}

async function adoptMode(world: World, { name, surplus, json, isDry }: Adopting): Promise<Ending> {
  if (surplus !== undefined) return usage(`adopt does not take "${surplus.slice(0, 40)}"`)
  const config = loadConfig(world.files)
  const accounts = await openPorts(world, config).accounts()
  const { readCandidates } = await import('../../src/accounts/adopt.ts')
  const results: { user: string; adopted: boolean; detail: string }[] = []
  for (const { user, problem } of readCandidates(world, config, name)) {
    const login = parseLoginName(user.name)
    const known = accounts.registry().users.get(user.name)
    if (known?.source === 'adopted' && name === undefined) continue
    const why = login ? (known ? 'is in the registry already' : problem) : 'the name is none that this host accepts'
    if (!login || why !== undefined) results.push({ user: user.name, adopted: false, detail: why ?? '' })
    else {
      const made = await (isDry ? accounts.preview(login, {}) : accounts.provision(login, {}, false))
      results.push({ user: login, adopted: made.kind === 'ready', detail: made.detail })
    }
  }
  if (name !== undefined && results.length === 0)
    results.push({ user: name, adopted: false, detail: 'is not in /etc/passwd' })
  const lines = results.map((one) => `${one.user}: ${one.adopted ? adoptWord(isDry) : 'left alone'}, ${one.detail}`)
  const text = lines.length > 0 ? lines.join('\n') : 'no account of /etc/passwd is left to adopt'
  const isWrong = name !== undefined && results.some(({ adopted }) => !adopted)
  return ended(isWrong ? denied('found-problems') : allowed('done'), print(json, { users: results }, text))
}

const adoptWord = (isDry: boolean): string => (isDry ? 'would be adopted' : 'adopted')

const print = (json: boolean, value: object, text: string): string =>
  json ? `${JSON.stringify(value)}\n` : `${text}\n`

async function list(ports: Ports, json: boolean): Promise<Ending> {
  const users = [...(await ports.accounts()).registry().users].map(([name, { more: _, ...user }]) => ({
    name,
    ...user,
  }))
  if (json) return ended(allowed('done'), `${JSON.stringify(users)}\n`)
  const rows = users.map(({ name, uid, home, shell, sudo, state }) =>
    [name.padEnd(32), String(uid).padEnd(7), sudo ? 'sudo' : '-   ', state.padEnd(7), home, shell].join(' '),
  )
  const text = rows.length > 0 ? rows.join('\n') : 'no portal user has an account on this host yet'
  return ended(allowed('done'), `${text}\n`)
}

const exportTexts: Readonly<Record<Config['create_user_target'], readonly [written: string, right: string]>> = {
  extrausers: ['the export files were written', 'the export files were right already'],
  passwd: ['/etc/passwd and its like were written', '/etc/passwd and its like were right already'],
  userdb: [
    'the export files hold nobody now',
    'nobody is exported (create_user_target = userdb): ob serve answers for them',
  ],
}

async function exportFiles(ports: Ports, { json, config }: Wish): Promise<Ending> {
  const changed = await (await ports.accounts()).sync()
  const [written, right] = exportTexts[config.create_user_target]
  return ended(allowed('done'), print(json, { changed }, changed ? written : right))
}

const unknown = (user: LoginName, json: boolean): Ending =>
  ended(denied('found-problems'), print(json, { user, known: false }, `${user} has no account here`))

/** Nobody said anything usable about the user. */
function unanswered(user: LoginName, reply: NoAnswer, json: boolean): Ending {
  const outcome = noAnswer(reply)
  const remedy = remedyFor(outcome.reason, reply.detail)
  return ended(outcome, print(json, { user, problem: reply.detail, remedy }, `${user}: ${reply.detail}\n→ ${remedy}`))
}

async function show({ ports, user, json }: Named): Promise<Ending> {
  const record = (await ports.accounts()).registry().users.get(user)
  if (!record) return unknown(user, json)
  const { more: _, ...shown } = record
  const text = Object.entries({ name: user, ...shown }).map(
    ([key, value]) => `${key.padEnd(10)} ${Array.isArray(value) ? value.join(', ') : value}`,
  )
  return ended(allowed('done'), print(json, { name: user, ...shown }, text.join('\n')))
}

async function add({ ports, user, json }: Named): Promise<Ending> {
  const info = await ports.portal.userinfo(user)
  if (info.kind === 'not-found')
    return ended(denied('portal-denied'), print(json, { user, found: false }, `the portal knows no user ${user}`))
  if (info.kind !== 'found') return unanswered(user, info, json)
  const entry = await (await ports.accounts()).provision(user, { ...wantedOf(info), revive: true }, true)
  if (entry.kind === 'ready') ports.published.keys(info.user, info.attributes.sshPublicKeys)
  return made(user, json, entry)
}

const wantedOf = (info: UserInfo & { kind: 'found' }) => ({ ...info.attributes, groups: info.groups })

function made(user: LoginName, json: boolean, entry: Provisioned): Ending {
  const outcome = entry.kind === 'ready' ? allowed('done') : denied('account-impossible')
  return ended(outcome, print(json, { user, kind: entry.kind, detail: entry.detail }, `${user}: ${entry.detail}`))
}

async function pin({ ports, user, uid: text, json }: Named): Promise<Ending> {
  const uid = /^[1-9][0-9]{0,9}$/.test(text ?? '') ? Number(text) : undefined
  if (uid === undefined) return usage('pin needs a user and a uid')
  const accounts = await ports.accounts()
  const known = accounts.registry().users.get(user)
  const refuse = (detail: string): Ending =>
    ended(denied('account-impossible'), print(json, { user, kind: 'impossible', detail }, `${user}: ${detail}`))
  if (known && known.uid !== uid)
    return refuse(`has uid ${known.uid} since ${day(known.createdAt)}, and files may belong to it; a uid never changes`)
  const entry = await accounts.provision(user, { uid, insist: true, revive: true }, false)
  return made(user, json, entry)
}

const day = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 10)

/** Deletes nothing of the user: the name and the uid stay taken, so that no other user inherits the files. */
async function remove({ ports, world, user, json }: Named): Promise<Ending> {
  const record = await (await ports.accounts()).retire(user)
  if (!record) return unknown(user, json)
  const { uid, home } = record
  const isLocal = (await world.spawn(['getent', '-s', 'files', 'passwd', user])).code === 0
  const found = isLocal ? `still in /etc/passwd, so: userdel ${user}` : 'found by NSS no more'
  const text = `${user} is retired: ${found}; uid ${uid} stays taken and ${home} stays as it is`
  return ended(allowed('done'), print(json, { user, state: record.state, uid, keeps: home }, text))
}

/** Asks the portal again about a known user. A user who is gone there is left to the administrator. */
async function refresh({ ports, user, json }: Named): Promise<Ending> {
  const accounts = await ports.accounts()
  const record = accounts.registry().users.get(user)
  if (!record) return unknown(user, json)
  if (record.state !== 'active') {
    const text = `${user} was removed here; ob nss add ${user} brings the account back, with uid ${record.uid}`
    return ended(denied('found-problems'), print(json, { user, state: record.state }, text))
  }
  const info = await ports.portal.userinfo(user)
  if (info.kind === 'found') {
    const entry = await accounts.provision(user, wantedOf(info), false)
    if (entry.kind === 'ready') ports.published.keys(info.user, info.attributes.sshPublicKeys)
    return made(user, json, entry)
  }
  if (info.kind !== 'not-found') return unanswered(user, info, json)
  const text = `the portal knows ${user} no more; the account stays until: ob nss remove ${user}`
  return ended(denied('portal-denied'), print(json, { user, found: false }, text))
}

async function verify(accounts: Accounts, world: World, json: boolean): Promise<Ending> {
  const problems = [...(await accounts.verify())]
  for (const [name, { home, uid, state }] of accounts.registry().users) {
    const facts = world.files.stat(home)
    if (facts && facts.uid !== uid && state === 'active')
      problems.push(`${home} belongs to uid ${facts.uid}, and ${name} has ${uid}`)
  }
  const text = problems.length > 0 ? problems.join('\n') : 'registry and export agree'
  const outcome = problems.length > 0 ? denied('found-problems') : allowed('done')
  return ended(outcome, print(json, { sound: problems.length === 0, problems }, text))
}

/**
 * Asks once about every known user. One who is gone at the portal is reported; only an administrator changes that.
 */
async function sync(ports: Ports, world: World, json: boolean): Promise<Ending> {
  const results: { user: string; kind: string; detail: string }[] = []
  for (const [name, { state, source }] of (await ports.accounts()).registry().users) {
    const user = parseLoginName(name)
    if (!user || state !== 'active' || source === 'service') continue
    const info = await ports.portal.userinfo(user)
    if (info.kind === 'found') {
      const made = await (await ports.accounts()).provision(user, { ...info.attributes, groups: info.groups }, false)
      if (made.kind === 'ready') ports.published.keys(info.user, info.attributes.sshPublicKeys)
      results.push({ user, kind: made.kind, detail: made.detail })
    } else
      results.push({
        user,
        kind: info.kind,
        detail: 'detail' in info ? info.detail : 'the portal knows this user no more',
      })
    if (!json) world.stderr(`${user}: ${results.at(-1)?.detail}\n`)
  }
  await (await ports.accounts()).sync()
  const wrong = results.filter(({ kind }) => kind !== 'ready').length
  const text = `${results.length} users asked about, ${wrong} to look at`
  return ended(wrong === 0 ? allowed('done') : denied('found-problems'), print(json, { users: results }, text))
}
