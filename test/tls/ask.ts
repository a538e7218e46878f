// One request through the real door to the network. As a program (`bun test/tls/ask.ts JSON`) it prints the outcome, so
// that a test can give it an environment.
import { tlsFetch } from '../../modes/world/io/network.ts'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { openHttp } from '../../src/portal-client/http.ts'
import { fakeWorld } from '../fakes/world.ts'

export type Question = {
  readonly url: string
  /** PEM of the authorities that are trusted. */
  readonly ca: string
  readonly lines: readonly string[]
  /** How long to wait. */
  readonly seconds: number
  /** GET when absent. */
  readonly body?: string
}

export function configure(lines: readonly string[]): Config {
  const checked = checkConfig(lines.join('\n'))
  if (checked.kind !== 'accepted') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}

/** `answer STATUS`, `unreachable: …`, `garbled: …` or `fault refused: …`. */
export async function ask({ url, ca, lines, seconds, body }: Question): Promise<string> {
  const config = configure([`portal_url = ${url}`, 'ca_cert = /ca.pem', `timeout = ${seconds}`, ...lines])
  const world = { ...fakeWorld({ files: { '/ca.pem': ca } }), fetch: tlsFetch }
  try {
    const sent = body === undefined ? { method: 'GET' as const } : { method: 'POST' as const, body }
    const answer = await openHttp(world, config)({ ...sent, url: `${url}/ok`, headers: {} })
    return answer.kind === 'answer' ? `answer ${answer.status}` : `${answer.kind}: ${answer.detail}`
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return `fault ${'kind' in error ? error.kind : 'unexpected'}: ${error.message}`
  }
}

if (import.meta.main) process.stdout.write(await ask(JSON.parse(process.argv[2] ?? '') as Question))
