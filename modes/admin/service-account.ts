// Accounts for programs, for the administrator: the file, the key that sshd gets, and the entry in NSS.

import { entryOf } from '../../src/accounts/service-accounts.ts'
import {
  addSection,
  parseServiceAccounts,
  removeSection,
  type ServiceAccount,
} from '../../src/accounts/service-accounts-format.ts'
import { decodeUtf8 } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { type LoginName, parseFingerprint, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { openPorts, type Ports } from '../../src/login/ports.ts'
import { parsePublicKeyLine } from '../../src/ssh/wire.ts'
import { type Parsed, parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'service-account',
  summary:
    'Accounts for programs, each bound to one key and decided without the portal: add writes the section, the key and the account; list shows them; check finds what is wrong with the file and the keys; export makes the accounts of a file that was written by hand; remove takes section and key away and retires the account, whose uid stays taken.',
  args: {
    verb: { type: 'positional', description: 'add, list, check, export or remove', required: true },
    name: { type: 'positional', description: 'the account', required: false },
    key: { type: 'string', description: 'file with its public key, as ssh-keygen writes it' },
    sudo: { type: 'boolean', description: 'it may use sudo', default: false },
    nopasswd: { type: 'boolean', description: 'and is asked for no password, because it has none', default: false },
    gecos: { type: 'string', description: 'what it is for' },
    shell: { type: 'string', description: 'its shell, one of approved_shells' },
    home: { type: 'string', description: 'its home, below approved_home_prefixes' },
    uid: { type: 'string', description: 'its uid' },
    gid: { type: 'string', description: 'its gid' },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

type Wishes = Parsed<typeof syntax.args>
type Host = { readonly world: World; readonly config: Config; readonly ports: Ports; readonly json: boolean }

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, name, json } = result.parsed
    const config = loadConfig(world.files)
    const host: Host = { world, config, ports: openPorts(world, config), json }
    if (verb === 'list') return list(host)
    if (verb === 'check') return check(host)
    if (verb === 'export') return exportAll(host)
    if (verb !== 'add' && verb !== 'remove')
      return usage(`"${verb.slice(0, 40)}" is not add, list, check, export or remove`)
    const user = parseLoginName(name ?? '')
    if (!user) return usage(`${verb} needs a name of 1 to 32 of a-z 0-9 _ - that begins with a letter or _`)
    return verb === 'add' ? add(host, user, result.parsed) : remove(host, user)
  },
}

const keyPath = (name: string): string => `${paths.serviceKeys}/${name}.pub`

const answer = ({ json }: Host, good: boolean, value: object, text: string): Ending =>
  ended(good ? allowed('done') : denied('found-problems'), json ? `${JSON.stringify(value)}\n` : `${text}\n`)

function readKeys(world: World, path: string) {
  const bytes = world.files.read(path, 1 << 16)
  const lines = bytes && (decodeUtf8(bytes) ?? '').split('\n').filter((line) => !/^\s*(#|$)/.test(line))
  return lines?.map((line) => parsePublicKeyLine(line.trim()))
}

/** The one plain key in this file. */
function readKey(world: World, path: string) {
  const keys = readKeys(world, path)
  if (!keys) throw new Fault(`${path} does not exist`)
  const [key] = keys
  if (!key || keys.length > 1) throw new Fault(`${path} must hold one public key`)
  if ('problem' in key) throw new Fault(`${path}: ${key.problem}`, { hint: 'name the .pub file that ssh-keygen made' })
  if (key.key.certificate) throw new Fault(`${path} is a certificate`, { hint: 'name the plain key, without -cert' })
  return key.key
}

async function add(host: Host, name: LoginName, wishes: Wishes): Promise<Ending> {
  const { world, config, ports } = host
  if (wishes.key === undefined) return usage('add needs --key FILE, the public key of the account')
  const key = readKey(world, wishes.key)
  const fingerprint = parseFingerprint(key.fingerprint)
  if (!fingerprint) throw new Fault('a key has no fingerprint')
  const { gecos, shell, home, uid, gid, sudo, nopasswd } = wishes
  const texts = { ...(gecos ? { gecos } : {}), ...(shell ? { shell } : {}), ...(home ? { home } : {}) }
  const ids = { ...(uid ? { uid: Number(uid) } : {}), ...(gid ? { gid: Number(gid) } : {}) }
  const account: ServiceAccount = {
    name,
    fingerprint,
    sudoAllowed: sudo || nopasswd,
    sudoNopasswd: nopasswd,
    ...texts,
    ...ids,
  }
  await ports.serviceAccounts.change((text) => {
    const next = addSection(text, account)
    const rules = { approvedShells: config.approved_shells, homePrefixes: config.approved_home_prefixes }
    const { accounts, broken } = parseServiceAccounts(next, rules)
    if (!accounts.has(name))
      throw new Fault(`${name} cannot be added: ${broken.get(name) ?? 'its name is not one for a service account'}`)
    return next
  })
  world.files.makeDirectory(paths.serviceKeys, 0o755)
  world.files.writeAtomic(keyPath(name), `${key.type} ${key.blob.toBase64()} ${name}\n`, { mode: 0o644 })
  const made = await (await ports.accounts()).provision(name, entryOf(account), true)
  const text = `${name}: ${made.detail}, key ${fingerprint}`
  return answer(host, made.kind !== 'impossible', { name, fingerprint, kind: made.kind, detail: made.detail }, text)
}

async function remove(host: Host, name: LoginName): Promise<Ending> {
  const { world, ports } = host
  let known = false
  await ports.serviceAccounts.change((text) => {
    const next = removeSection(text, name)
    known = next !== text
    return next
  })
  const key = world.files.remove(keyPath(name))
  const accounts = await ports.accounts()
  const isOurs = accounts.registry().users.get(name)?.source === 'service'
  const retired = isOurs ? await accounts.retire(name) : undefined
  if (!known && !key && !retired)
    return answer(host, false, { name, removed: false }, `there is no service account ${name}`)
  const home = retired ? `; its uid ${retired.uid} stays taken and ${retired.home} is left as it is` : ''
  return answer(host, true, { name, removed: true, uid: retired?.uid }, `${name} is removed${home}`)
}

async function list(host: Host): Promise<Ending> {
  const users = (await host.ports.accounts()).registry().users
  const rows = [...(await host.ports.serviceAccounts.read()).accounts.values()].map((account) => {
    const uid = users.get(account.name)?.uid
    return uid === undefined ? account : { ...account, uid }
  })
  if (host.json) return ended(allowed('done'), `${JSON.stringify(rows)}\n`)
  const sudo = ({ sudoAllowed, sudoNopasswd }: ServiceAccount): string =>
    sudoAllowed ? (sudoNopasswd ? 'sudo, no password' : 'sudo') : '-'
  const lines = rows.map((one) =>
    [one.name.padEnd(32), String(one.uid ?? '-').padEnd(7), sudo(one).padEnd(18), one.fingerprint].join(' '),
  )
  return ended(allowed('done'), `${lines.length > 0 ? lines.join('\n') : 'no service accounts'}\n`)
}

async function exportAll(host: Host): Promise<Ending> {
  const accounts = await host.ports.accounts()
  const results: { name: string; kind: string; detail: string }[] = []
  for (const account of (await host.ports.serviceAccounts.read()).accounts.values()) {
    const { kind, detail } = await accounts.provision(account.name, entryOf(account), false)
    results.push({ name: account.name, kind, detail })
  }
  const text = results.map(({ name, detail }) => `${name}: ${detail}`).join('\n') || 'no service accounts'
  return answer(host, !results.some(({ kind }) => kind === 'impossible'), { accounts: results }, text)
}

async function check(host: Host): Promise<Ending> {
  const { world, config, ports } = host
  const { accounts, broken, problems } = await ports.serviceAccounts.read()
  const found = problems.map(({ line, text }) => `${config.service_accounts_file} line ${line}: ${text}`)
  for (const account of accounts.values()) found.push(...(await doubts(world, account)))
  for (const file of world.files.list(paths.serviceKeys) ?? []) {
    const name = file.endsWith('.pub') ? file.slice(0, -4) : ''
    if (name !== '' && !accounts.has(name) && !broken.has(name))
      found.push(`${keyPath(name)}: ${config.service_accounts_file} has no such account; remove the file`)
  }
  const text = found.length > 0 ? found.join('\n') : `${accounts.size} service accounts, nothing to mend`
  return answer(host, found.length === 0, { accounts: [...accounts.keys()], problems: found }, text)
}

/** The problems around an account whose section is right. */
async function doubts(world: World, { name, fingerprint }: ServiceAccount): Promise<readonly string[]> {
  const found: string[] = []
  const keys = readKeys(world, keyPath(name))
  if (keys && !keys.some((one) => !('problem' in one) && one.key.fingerprint === fingerprint))
    found.push(`${keyPath(name)}: the key is not ${fingerprint}, which ${name} is bound to`)
  if (!keys && !world.files.stat(`${paths.authorizedKeys}/${name}`))
    found.push(`${keyPath(name)} does not exist: sshd is results no key of ${name}`)
  const { code } = await world.spawn(['getent', 'passwd', name])
  if (code !== 0) found.push(`${name} has no account, so sshd does not know it: ob service-account export`)
  return found
}
