// What an administrator asks of the service's data: hosts, people, approvals, and what a token would become.

import { decodeUtf8 } from '../../src/base/bytes.ts'
import type { Database } from '../../src/base/database.ts'
import { Fault } from '../../src/base/fault.ts'
import { type JsonObject, parseJsonObject } from '../../src/base/json.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { revokeApprovals } from '../../src/portal-server/approvals.ts'
import { mapClaims } from '../../src/portal-server/claims-policy.ts'
import { addHost, listHosts, revokeHost } from '../../src/portal-server/hosts.ts'
import { parseHostGroup, parseHostName } from '../../src/portal-server/identifiers-format.ts'
import { listPeople, releasePerson } from '../../src/portal-server/people.ts'
import type { PortalConfig } from '../../src/portal-server/settings.ts'
import { prepareTables } from '../../src/portal-server/tables.ts'
import { type Ending, ended, usage } from '../run/mode.ts'

export type Command = {
  readonly world: World
  readonly database: Database
  readonly verb: 'host' | 'person' | 'approval'
  readonly words: readonly string[]
}

type Options = { readonly group?: string | undefined; readonly json: boolean }

export async function runCommand(command: Command, options: Options): Promise<Ending> {
  await prepareTables(command.database)
  const [action, name, surplus] = command.words
  if (surplus !== undefined) return usage(`unexpected "${surplus.slice(0, 40)}"`)
  switch (`${command.verb} ${action}`) {
    case 'host add':
      return addOne(command, name, options)
    case 'host list':
      return printHosts(command, options)
    case 'host revoke':
      return done(await revokeHost(contextOf(command), name ?? ''), `${name} is revoked`, 'there is no such host')
    case 'person list':
      return printPeople(command, options)
    case 'person release':
      return done(await releasePerson(command.database, name ?? ''), `${name} is free`, 'there is no such person')
    case 'approval revoke': {
      const count = await revokeApprovals(command, name ?? '')
      return ended(allowed('done'), `${count} approvals of ${name} withdrawn\n`)
    }
    default:
      return usage('say host add|list|revoke, person list|release, or approval revoke, and a name')
  }
}

const contextOf = ({ world, database }: Command) => ({ now: world.now, random: world.random, database })

const done = (isDone: boolean, yes: string, no: string): Ending =>
  isDone ? ended(allowed('done'), `${yes}\n`) : ended(denied('found-problems'), `${no}\n`)

async function addOne(command: Command, written: string | undefined, { group = '', json }: Options): Promise<Ending> {
  const name = parseHostName(written ?? '')
  if (name === undefined) return usage('host add needs the name of the host, as it calls itself')
  if (group !== '' && parseHostGroup(group) === undefined)
    return usage('a group is 1 to 64 of letters, digits and _ . -')
  const credential = await addHost(contextOf(command), { name, group })
  const text = `${credential}\n`
  return ended(allowed('done'), json ? `${JSON.stringify({ host: name, group, credential })}\n` : text)
}

async function printHosts(command: Command, { json }: Options): Promise<Ending> {
  const hosts = await listHosts(contextOf(command))
  if (json) return ended(allowed('done'), `${JSON.stringify(hosts)}\n`)
  const lines = hosts.map(({ name, group, addedAt, revokedAt }) =>
    [name, group || '-', day(addedAt), revokedAt === undefined ? '' : `revoked ${day(revokedAt)}`].join('  ').trimEnd(),
  )
  return ended(allowed('done'), lines.map((line) => `${line}\n`).join(''))
}

const day = (at: number): string => new Date(at * 1000).toISOString().slice(0, 10)

async function printPeople({ database }: Command, { json }: Options): Promise<Ending> {
  const people = await listPeople(database)
  if (json) return ended(allowed('done'), `${JSON.stringify(people)}\n`)
  const lines = people.map(({ name, issuer, subject }) => `${name}  ${issuer}  ${subject.replace(/[^!-~]/g, '?')}\n`)
  return ended(allowed('done'), lines.join(''))
}

type Explained = {
  readonly token?: string | undefined
  readonly userinfo?: string | undefined
  readonly provider?: string | undefined
  readonly json: boolean
}

/** What the person of this token would be, step by step. The signature is not looked at: nobody is let in by this. */
export function explain(world: World, config: PortalConfig, { token, userinfo, provider, json }: Explained): Ending {
  if (token === undefined) return usage('explain needs --token FILE')
  const rules = provider === undefined ? config.providers[0] : config.providers.find(({ name }) => name === provider)
  if (!rules) return usage('there is no such section [provider NAME]')
  const claims = { idToken: readClaims(world, token), ...(userinfo ? { userinfo: readClaims(world, userinfo) } : {}) }
  const mapped = mapClaims(claims, rules)
  const outcome = mapped.kind === 'person' ? allowed('done') : denied('found-problems')
  if (json) return ended(outcome, `${JSON.stringify({ provider: rules.name, ...mapped })}\n`)
  const ending =
    mapped.kind === 'person'
      ? `account ${mapped.name}, groups ${mapped.groups.join(' ') || '(none)'}`
      : `nobody: ${mapped.problem}`
  const lines = [`by the rules of ${rules.name}:`, ...mapped.steps.map((step) => `  ${step}`), ending]
  return ended(outcome, `${lines.map((line) => line.replace(/[^ -~]/g, '?')).join('\n')}\n`)
}

function readClaims(world: World, path: string): JsonObject {
  const bytes = world.files.read(path, 1 << 20)
  if (!bytes) throw new Fault(`${path} does not exist`)
  const text = (decodeUtf8(bytes) ?? '').trim()
  const claims = parseJsonObject(text) ?? parseJsonObject(payloadOf(text) ?? '')
  if (!claims) throw new Fault(`${path} holds no token and no JSON object`, { hint: 'paste the ID token, one line' })
  return claims
}

/** RFC 7519 §3: header.payload.signature. */
function payloadOf(token: string): string | undefined {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(token) ?? []
  return payload === undefined
    ? undefined
    : decodeUtf8(Uint8Array.fromBase64(payload, { alphabet: 'base64url', lastChunkHandling: 'loose' }))
}
