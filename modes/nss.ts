// Accounts of portal users on this host, for the administrator.
import { loadConfig } from '../src/config/load.ts'
import { parseLoginName } from '../src/names.ts'
import { allowed, denied, unavailable } from '../src/outcome.ts'
import { openPorts, type Ports } from '../src/ports/open.ts'
import type { World } from '../src/world.ts'
import { parse } from './args.ts'
import { type Ending, ended, type Mode, usage } from './mode.ts'

export const syntax = {
  name: 'nss',
  summary:
    'The accounts of portal users: list shows them, add asks the portal for one and makes it, export writes the files of libnss-extrausers anew, sync asks the portal about all of them.',
  args: {
    verb: { type: 'positional', description: 'list, add, export or sync', required: true },
    user: { type: 'positional', description: 'the user to add', required: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

const verbs: ReadonlySet<string> = new Set(['list', 'add', 'export', 'sync'])

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, user, json } = result.parsed
    if (!verbs.has(verb)) return usage(`"${verb.slice(0, 40)}" is not list, add, export or sync`)
    if (verb === 'add' && user === undefined) return usage('add needs a user')
    const ports = openPorts(world, loadConfig(world.files))
    if (verb === 'list') return list(ports, json)
    if (verb === 'export') return exportFiles(ports, json)
    if (verb === 'sync') return sync(ports, world, json)
    return add(ports, user ?? '', json)
  },
}

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

async function exportFiles(ports: Ports, json: boolean): Promise<Ending> {
  const changed = await (await ports.accounts()).sync()
  return ended(
    allowed('done'),
    print(json, { changed }, changed ? 'the export files were written' : 'the export files were right already'),
  )
}

async function add(ports: Ports, name: string, json: boolean): Promise<Ending> {
  const user = parseLoginName(name)
  if (!user || user === 'root') return usage(`"${name.slice(0, 40)}" is not a user name this host accepts`)
  const info = await ports.portal.userinfo(user)
  if (info.kind === 'not-found')
    return ended(denied('portal-denied'), print(json, { user, found: false }, `the portal knows no user ${user}`))
  if (info.kind !== 'found')
    return ended(unavailable('portal-unreachable'), print(json, { user, problem: info.detail }, info.detail))
  const made = await (await ports.accounts()).provision(user, { ...info.attributes, groups: info.groups }, true)
  const outcome = made.kind === 'ready' ? allowed('done') : denied('account-impossible')
  return ended(outcome, print(json, { user, kind: made.kind, detail: made.detail }, `${user}: ${made.detail}`))
}

/**
 * Every known user is asked about once; who is gone at the portal is told, and changed by nobody but an administrator.
 */
async function sync(ports: Ports, world: World, json: boolean): Promise<Ending> {
  const told: { user: string; kind: string; detail: string }[] = []
  for (const name of (await ports.accounts()).registry().users.keys()) {
    const user = parseLoginName(name)
    if (!user) continue
    const info = await ports.portal.userinfo(user)
    if (info.kind === 'found') {
      const made = await (await ports.accounts()).provision(user, { ...info.attributes, groups: info.groups }, false)
      told.push({ user, kind: made.kind, detail: made.detail })
    } else
      told.push({
        user,
        kind: info.kind,
        detail: 'detail' in info ? info.detail : 'the portal knows this user no more',
      })
    if (!json) world.stderr(`${user}: ${told.at(-1)?.detail}\n`)
  }
  await (await ports.accounts()).sync()
  const wrong = told.filter(({ kind }) => kind !== 'ready').length
  const text = `${told.length} users asked about, ${wrong} to look at`
  return ended(wrong === 0 ? allowed('done') : denied('found-problems'), print(json, { users: told }, text))
}
