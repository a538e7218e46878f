// Secrets at rest, for the administrator. Values come in by standard input and go out only when asked for by name.
import { decodeUtf8 } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import { isSecretName, reference, Secret, sealedName } from '../../src/base/secret.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { locksPasswords } from '../../src/portal-client/enrollment-seal.ts'
import { type Refresh, settleRefreshToken } from '../../src/portal-client/refresh-token.ts'
import { isStore, refreshTokenName } from '../../src/secrets/resolve.ts'
import { longestSecret, openSecretStore, type SecretStore } from '../../src/secrets/store.ts'
import { openUpstreamSecrets } from '../../src/secrets/upstream-import.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'secret',
  summary:
    'The sealed store of secrets: set NAME reads one from standard input, get NAME tells about it, list names all, remove NAME forgets one, rotate seals everything anew, import reads files of the C implementation. openbastion.conf uses a secret as sealed:NAME, or without a line when NAME is the key.',
  args: {
    verb: { type: 'positional', description: 'set, get, list, remove, rotate or import', required: true },
    name: { type: 'positional', description: 'name of the secret; for import its file', required: false },
    reveal: { type: 'boolean', description: 'get: print the secret itself', default: false },
    as: { type: 'string', description: 'import: the name it gets here, when it cannot be told from its file' },
    discard: { type: 'boolean', description: 'rotate: drop what does not open', default: false },
    json: { type: 'boolean', description: 'print JSON; it holds a secret only with --reveal', default: false },
  },
  rest: true,
} as const

type Asked = {
  readonly name: string
  readonly words: readonly string[]
  readonly reveal: boolean
  readonly discard: boolean
  readonly as: string | undefined
  readonly json: boolean
}
type Verb = (world: World, config: Config, asked: Asked) => Promise<Ending>

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, name = '', reveal, discard, as, json, _: words } = result.parsed
    const work = verbs.get(verb)
    if (!work) return usage(`"${verb.slice(0, 40)}" is not set, get, list, remove, rotate or import`)
    const asked = { name, words: words.slice(1), reveal, discard, as, json }
    const problem = wrong(verb, asked)
    return problem === undefined ? work(world, loadConfig(world.files), asked) : usage(problem)
  },
}

const named: ReadonlySet<string> = new Set(['set', 'get', 'remove'])

const setTakes = '; the secret itself comes from standard input, never from the command line'

function wrong(verb: string, { words, reveal, discard, as }: Asked): string | undefined {
  const [name] = words
  if (named.has(verb) && name === undefined) return `${verb} needs the name of a secret`
  // A value among the arguments can be seen by every process of this host.
  if (named.has(verb) && words.length > 1) return `${verb} takes one name${verb === 'set' ? setTakes : ''}`
  if (named.has(verb) && !isSecretName(name ?? ''))
    return 'a name begins with a lower-case letter and holds at most 64 of a-z 0-9 _ -'
  if ((verb === 'list' || verb === 'rotate') && words.length > 0) return `${verb} takes no name`
  if (verb === 'import' && words.length === 0) return 'import needs a file'
  if (as !== undefined && (verb !== 'import' || words.length !== 1)) return '--as goes with import and one file'
  if (as !== undefined && !isSecretName(as)) return '--as must be a name that set would take'
  if (reveal && verb !== 'get') return '--reveal goes with get'
  return discard && verb !== 'rotate' ? '--discard goes with rotate' : undefined
}

const print = (json: boolean, value: object, text: string): string =>
  json ? `${JSON.stringify(value)}\n` : `${text}\n`

async function set(world: World, config: Config, { name, json }: Asked): Promise<Ending> {
  const secret = await typed(world, name)
  const isLocking = locksPasswords(world, config)
  await openSecretStore(world, config).write(name, secret)
  const doubt =
    [shadowed(config, name), isLocking ? lockedPasswords : undefined].filter(Boolean).join('\n') || undefined
  return ended(
    allowed('done'),
    print(
      json,
      { set: name, ...(doubt === undefined ? {} : { note: doubt }) },
      [`${name} is sealed`, ...(doubt === undefined ? [] : [doubt])].join('\n'),
    ),
  )
}

const lockedPasswords = `${paths.keyFile} was made: passwords that were kept without it open no more`

async function typed(world: World, name: string): Promise<Secret> {
  const bytes = await world.hiddenInput(`${name} (not shown): `, longestSecret + 2)
  const text = decodeUtf8(bytes)?.replace(/\r?\n$/, '')
  bytes.fill(0)
  if (text === undefined) throw new Fault('standard input is not UTF-8 text; nothing was changed')
  if (text === '')
    throw new Fault('standard input held no secret; nothing was changed', { hint: `ob secret set ${name} < FILE` })
  if (/[\0\r\n]/.test(text)) throw new Fault('a secret is one line without NUL; nothing was changed')
  if (text.startsWith(reference)) throw new Fault(`a secret may not begin with ${reference}; nothing was changed`)
  return new Secret(text)
}

/** Why a secret of this name has no effect yet. */
function shadowed(config: Config, name: string): string | undefined {
  const written = Object.entries(config).find(([key]) => key === name)?.[1]
  if (!(written instanceof Secret) || sealedName(written) !== undefined) return undefined
  const instead = `remove it, or write ${name} = ${reference}${name}`
  return `openbastion.conf still has ${name} in plain text, and that line counts: ${instead}`
}

async function get(world: World, config: Config, { name, reveal, json }: Asked): Promise<Ending> {
  const vault = openSecretStore(world, config)
  const stored = vault.names().find((one) => one.name === name)
  const secret = await vault.read(name)
  if (!secret || !stored)
    return ended(denied('no-secret'), print(json, { name, present: false }, `${name} is not in the store`))
  const changed = new Date(stored.changedAt * 1000).toISOString()
  if (!reveal)
    return ended(
      allowed('done'),
      print(
        json,
        { name, present: true, changed },
        `${name} is sealed since ${changed}, and opens; --reveal prints it`,
      ),
    )
  return ended(allowed('done'), print(json, { name, present: true, changed, value: secret.expose() }, secret.expose()))
}

async function list(world: World, config: Config, { json }: Asked): Promise<Ending> {
  const rows = openSecretStore(world, config)
    .names()
    .map(({ name, changedAt }) => ({
      name,
      changed: new Date(changedAt * 1000).toISOString(),
      used_for: usesOf(config, name),
    }))
  const lines = rows.map((row) => `${row.name.padEnd(32)} ${row.changed}  ${row.used_for.join(', ') || '-'}`)
  const text = lines.length > 0 ? lines.join('\n') : `${paths.secrets} holds no secret yet; ob secret set NAME adds one`
  return ended(allowed('done'), print(json, rows, text))
}

/** The keys that this secret serves. */
function usesOf(config: Config, name: string): readonly string[] {
  const keys = Object.entries(config).filter(([key, written]) =>
    written instanceof Secret ? sealedName(written) === name : written === undefined && key === name,
  )
  return [...keys.map(([key]) => key), ...(name === refreshTokenName ? ['server_token_file'] : [])]
}

async function remove(world: World, config: Config, { name, json }: Asked): Promise<Ending> {
  const was = isStore(world) && (await openSecretStore(world, config).remove(name))
  if (!was) return ended(denied('no-secret'), print(json, { name, removed: false }, `${name} is not in the store`))
  return ended(allowed('done'), print(json, { name, removed: true }, `${name} is removed`))
}

const refreshTexts: Record<Refresh, string> = {
  sealed: 'the refresh token moved from the token file into the store',
  plain: 'the refresh token moved back into the token file, because secrets_encrypted is false',
  unchanged: '',
}

async function rotate(world: World, config: Config, { discard, json }: Asked): Promise<Ending> {
  const isLocking = locksPasswords(world, config)
  const vault = openSecretStore(world, config)
  const { kept, dropped, forgotten } = await vault.rotate({ discard })
  const refresh = await settleRefreshToken(world, config, vault)
  const lost = dropped.length > 0 ? `dropped, because they did not open: ${dropped.join(', ')}` : ''
  const left = forgotten ? '' : 'the key of before stays in the kernel’s keyring until it expires, a day at most'
  const locked = isLocking ? lockedPasswords : ''
  const text = [`${kept.length} secrets are sealed anew`, lost, left, refreshTexts[refresh], locked].filter(
    (line) => line !== '',
  )
  const value = { rotated: kept, dropped, old_key_forgotten: forgotten, refresh_token: refresh }
  return ended(allowed('done'), print(json, value, text.join('\n')))
}

async function importFiles(world: World, config: Config, { words, as, json }: Asked): Promise<Ending> {
  const opened = await openUpstreamSecrets(world, words, as)
  const vault: SecretStore = openSecretStore(world, config)
  for (const [name, secret] of opened) await vault.write(name, secret)
  const names = [...opened.keys()]
  return ended(
    allowed('done'),
    print(json, { imported: names }, `sealed: ${names.join(', ')}; the files that were read are as they were`),
  )
}

const verbs: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['set', set],
  ['get', get],
  ['list', list],
  ['remove', remove],
  ['rotate', rotate],
  ['import', importFiles],
])
