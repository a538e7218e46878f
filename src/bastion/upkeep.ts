// What root does for hops besides deciding: leaves sshd's helpers their rules, and fetches the keys of the portals when
// they are old. The heartbeat timer and logins call it; what sshd runs for a key never uses the network.
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Http } from '../portal-client/http.ts'
import { openPortalHttp, type PortalHttpWorld } from '../portal-client/portal-http.ts'
import { formatKeysFile, type IssuerKeys, parseKeySet, parseKeysAddress } from './keys-format.ts'
import { comparableIssuer } from './policy-format.ts'
import { policyOf, publishHopPolicy, readKeys } from './rules.ts'

type Needed = PortalHttpWorld & Parts<'hostname'>

/** After an attempt nobody tries again for so long, whatever came of it. Seconds. */
const coolDown = 60

/**
 * What is worth a line in the log: why keys could not be fetched. `force` fetches them however young they are, for an
 * administrator whose portal has a new key.
 */
export async function tendHops(world: Needed, config: Config, force = false): Promise<readonly string[]> {
  publishHopPolicy(world, config)
  return config.bastion_jwt_allowed_bastions.length > 0 ? refreshKeys(world, config, force) : []
}

async function refreshKeys(world: Needed, config: Config, force: boolean): Promise<readonly string[]> {
  const { issuers, keysFile } = policyOf(config, world.hostname())
  const isOld = (set: IssuerKeys | undefined): boolean =>
    force || set === undefined || Math.abs(world.now() - set.fetchedAt) >= config.bastion_jwt_cache_ttl
  const setOf = (sets: readonly IssuerKeys[], issuer: string) =>
    sets.find((set) => comparableIssuer(set.issuer) === comparableIssuer(issuer))
  const due = () => {
    const kept = readOrNone(world, keysFile)
    return issuers.some((issuer) => isOld(setOf(kept, issuer))) && (force || !wasTried(world))
  }
  if (!due()) return []
  world.files.makeDirectory(paths.run, 0o755)
  return world.files.withLock(`${paths.keysTried}.lock`, async () => {
    // Somebody else held the lock, and did the work.
    if (!due()) return []
    world.files.writeAtomic(paths.keysTried, '', { mode: 0o600 })
    const http = openPortalHttp(world, config)
    const problems: string[] = []
    const sets: IssuerKeys[] = []
    for (const [at, issuer] of issuers.entries()) {
      const before = setOf(readOrNone(world, keysFile), issuer)
      const fetched = isOld(before)
        ? await fetchKeys(http, config, { issuer, url: config.bastion_jwt_jwks_url[at] })
        : []
      if ('problem' in fetched) problems.push(`the keys of ${issuer} are not fetched: ${fetched.problem}`)
      // What is there stays, with its age, until something better came.
      const isNew = !('problem' in fetched) && fetched.length > 0
      if (isNew) sets.push({ issuer, fetchedAt: Math.floor(world.now()), keys: fetched })
      else if (before) sets.push(before)
    }
    if (sets.length > 0) world.files.writeAtomic(keysFile, formatKeysFile(sets), { mode: 0o644 })
    return problems
  })
}

/** A file that cannot be trusted is written anew. */
function readOrNone(world: Needed, path: string): readonly IssuerKeys[] {
  try {
    return readKeys(world, path)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return []
  }
}

function wasTried(world: Needed): boolean {
  const facts = world.files.stat(paths.keysTried)
  return facts !== undefined && Math.abs(world.now() - facts.modifiedAt) < coolDown
}

type Wanted = { readonly issuer: string; readonly url: string | undefined }

async function fetchKeys(http: Http, _config: Config, { issuer, url }: Wanted) {
  const address = url ?? (await discover(http, issuer))
  if (typeof address !== 'string') return address
  const body = await get(http, address)
  return typeof body === 'string' ? parseKeySet(body) : body
}

/** OpenID Connect Discovery 1.0 §4; without it, where a LemonLDAP::NG portal has them. */
async function discover(http: Http, issuer: string) {
  const base = comparableIssuer(issuer)
  const body = await get(http, `${base}/.well-known/openid-configuration`)
  if (typeof body !== 'string') return body.problem === notJson ? `${base}/oauth2/jwks` : body
  return parseKeysAddress(body, base) ?? `${base}/oauth2/jwks`
}

const notJson = 'the answer is not JSON'
const mostBytes = 65_536

async function get(http: Http, url: string): Promise<string | { readonly problem: string }> {
  try {
    const answer = await http({ method: 'GET', url, headers: {} })
    if (answer.kind !== 'answer') return { problem: answer.detail }
    if (answer.status === 404) return { problem: notJson }
    if (answer.status !== 200) return { problem: `HTTP ${answer.status}` }
    const type = answer.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
    if (!/^application\/([a-z-]+\+)?json$/.test(type)) return { problem: notJson }
    return answer.text.length > mostBytes ? { problem: `the answer is larger than ${mostBytes} bytes` } : answer.text
  } catch (error) {
    // A refused certificate of one portal says nothing about the login that is being decided.
    if (error instanceof Fault) return { problem: error.message }
    throw error
  }
}
