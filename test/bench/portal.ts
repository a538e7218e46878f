// What the web service bears: hosts that start logins and hand codes in, over TLS, on either storage. It is the built
// program in a process of its own; the client runs beside it on the same machine, so these are lower bounds.
// usage: bun test/bench/portal.ts
import { readFileSync } from 'node:fs'
import { freePort, type Site, startSite } from '../browser/site.ts'
import { postgresRefusal, startPostgres } from '../portal-server/storages.ts'

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const residentMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024

/** So many calls, `wide` at a time; how many a second, and the slowest of a hundred in ms. */
async function measure(count: number, wide: number, work: (at: number) => Promise<unknown>) {
  const took: number[] = []
  let next = 0
  const begin = performance.now()
  const line = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) {
      const since = performance.now()
      await work(at)
      took.push(performance.now() - since)
    }
  }
  await Promise.all(Array.from({ length: wide }, line))
  const seconds = (performance.now() - begin) / 1000
  return { perSecond: count / seconds, slowest: took.toSorted((a, b) => a - b)[Math.floor(count * 0.99)]! }
}

async function rows(storage: string, site: Site): Promise<readonly string[]> {
  const sessions: unknown[] = []
  const before = residentMb(site.service.pid)
  const started = await measure(3_000, 32, async (at) => {
    const { status, body } = await site.start({ rhost: `10.${at >> 14}.${(at >> 7) & 127}.${at & 127}` })
    if (status !== 201) throw new Error(`start answered ${status}`)
    sessions.push(body['session'])
  })
  const checked = await measure(3_000, 32, async (at) => {
    const { body } = await site.check(sessions[at], 'BBB-BBB-BBB')
    if (body['result'] !== 'pending') throw new Error(JSON.stringify(body))
  })
  const after = residentMb(site.service.pid)
  const row = (title: string, { perSecond, slowest }: { readonly perSecond: number; readonly slowest: number }) =>
    `${`${storage}: ${title}`.padEnd(32)}${perSecond.toFixed(0).padStart(6)} a second, 99 % within ${slowest.toFixed(0)} ms`
  const memory = `${`${storage}: memory`.padEnd(32)}${before.toFixed(0).padStart(6)} MB at first, ${after.toFixed(0)} MB with 3000 logins`
  return [row('start a login', started), row('hand a code in', checked), memory]
}

/** Prints a table; nothing where it cannot be measured but why. */
export async function benchPortal(): Promise<void> {
  const people = { 'sub-alice': { preferred_username: 'alice' } }
  const run = async (storage: string, database?: string): Promise<void> => {
    const site = await startSite({ people, ...(database === undefined ? {} : { database }) })
    try {
      for (const row of await rows(storage, site)) say(row)
    } finally {
      await site.stop()
    }
  }
  say('\nob portal')
  await run('SQLite')
  const refusal = postgresRefusal()
  if (refusal !== undefined) return say(`PostgreSQL is left out: ${refusal}`)
  const cluster = await startPostgres(freePort())
  try {
    await run('PostgreSQL', cluster.address('postgres'))
  } finally {
    await cluster.stop()
  }
}

if (import.meta.main) await benchPortal()
