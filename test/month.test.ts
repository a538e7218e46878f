// A month in the life of a host, in seconds: the host's clock and the portal's move together, and everything that goes
// wrong in a month goes wrong. Nobody whom the portal would let in stays out, and the host keeps its identity.
import { expect, test } from 'bun:test'
import { exitCode } from '../modes/run/exit.ts'
import { mode as heartbeat } from '../modes/timer/heartbeat.ts'
import { textOf } from './fakes/world.ts'
import { enrolledHost, type Host } from './modes/host.ts'

const day = 86_400
const tokenFile = '/var/lib/open-bastion/token'

class Killed extends Error {}

/** The same month every time (a linear congruential generator, Numerical Recipes). */
const chance = (seed: number) => {
  let value = seed
  return (limit: number): number => {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((value / 2 ** 32) * limit)
  }
}

const users = ['rtyler', 'dwho'] as const

type Month = { logins: number; outages: number; refused: string[]; kills: number; heartbeats: number[]; denied: number }

const at = (host: Host, instant: number): void => {
  host.world.clock.now = instant
  host.portal.control.clock({ offsetSeconds: instant - Date.now() / 1000 })
}

/** Auth with a fresh one-time token, account, session: what refused the user, or undefined. */
async function login(host: Host, user: string): Promise<string | undefined> {
  const env = { PAM_USER: user }
  const typed = host.portal.control.mintToken({ user })
  const phases = [
    ['auth', env, typed],
    ['account', env, ''],
    ['open_session', { ...env, SSH_AUTH_INFO_0: 'keyboard-interactive/pam\n' }, ''],
    ['close_session', env, ''],
  ] as const
  for (const [phase, environment, stdin] of phases) {
    const { outcome } = await host.phase(phase, environment, stdin)
    if (!outcome.startsWith('allowed ')) return `${phase} ${outcome}`
  }
  return undefined
}

/** Runs the work; kill −9 hits it at its nth change of the disk, when it makes so many. */
async function killed(host: Host, nth: number, work: () => Promise<unknown>): Promise<boolean> {
  let left = nth
  host.break(() => {
    if (left-- === 0) throw new Killed()
    return undefined
  })
  try {
    await work()
    return false
  } catch (error) {
    if (error instanceof Killed) return true
    throw error
  } finally {
    host.break(() => undefined)
  }
}

const faults = [
  { kind: 'reset' },
  { kind: 'down', status: 503 },
  { kind: 'down', status: 429 },
  { kind: 'reset', path: '/pam/heartbeat', processed: true },
  { kind: 'down', status: 500, path: '/pam/heartbeat', processed: true },
] as const

/** A night of the host: the log is rotated, and once a week it boots. */
function midnight(host: Host, date: number): void {
  host.world.disk.delete('/var/log/open-bastion/audit.json')
  host.portal.control.forgetRequests()
  if (date % 7 !== 0) return
  for (const path of [...host.world.disk.keys()]) if (path.startsWith('/run/')) host.world.disk.delete(path)
}

async function live(host: Host, days: number, seed: number): Promise<Month> {
  const pick = chance(seed)
  const month: Month = { logins: 0, outages: 0, refused: [], kills: 0, heartbeats: [], denied: 0 }
  const begun = host.world.clock.now
  let outageUntil = 0
  for (let tick = 0; tick < days * 288; tick++) {
    const date = Math.floor(tick / 288)
    at(host, begun + tick * 300 + pick(30))
    if (tick % 288 === 0) midnight(host, date)
    if (host.world.clock.now >= outageUntil) host.portal.control.fault({ kind: 'none' })
    if (pick(80) === 0) {
      outageUntil = host.world.clock.now + 60 * (1 + pick(25))
      host.portal.control.fault(faults[pick(faults.length)]!)
    }
    const away = host.world.clock.now < outageUntil
    // The third week the timer does not run at all: what renews then is the logins.
    if (date < 14 || date >= 21) {
      const beat = async () => month.heartbeats.push(exitCode('admin', await heartbeat.run([], host.world)))
      if (await killed(host, pick(20) === 0 ? pick(3) : 1e9, beat)) month.kills++
    }
    if (tick % 12 !== 6) continue
    for (const user of users) {
      if (pick(10) === 0 && (await killed(host, pick(14), () => login(host, user)))) month.kills++
      const refused = await login(host, user)
      month.logins++
      if (refused !== undefined && away) month.outages++
      else if (refused !== undefined) month.refused.push(`day ${date}: ${user} ${refused}`)
    }
    const { outcome } = await host.phase('account', { PAM_USER: 'msmith' })
    if (outcome === 'denied portal-denied') month.denied++
    else if (!away) month.refused.push(`day ${date}: msmith ${outcome}`)
  }
  return month
}

test.each([1, 2])(
  'in month %d nobody whom the portal would let in stays out, and the host keeps its identity',
  async (seed) => {
    const host = await enrolledHost({ config: 'timeout = 1' })
    const { refresh_token } = JSON.parse(textOf(host.world, tokenFile) ?? '')
    const month = await live(host, 30, seed)
    expect(month.refused).toEqual([])
    expect(JSON.parse(textOf(host.world, tokenFile) ?? '').refresh_token).toBe(refresh_token)
    // The month was no quiet one.
    expect(month.logins).toBe(30 * 24 * users.length)
    expect(month.outages).toBeGreaterThan(20)
    expect(month.kills).toBeGreaterThan(100)
    expect(month.denied).toBeGreaterThan(600)
    expect([...new Set(month.heartbeats)].sort()).toEqual([0, 75])
    expect(month.heartbeats.filter((code) => code === 75).length).toBeGreaterThan(10)
  },
  300_000,
)

test('a month without a word from the host is one too many, and the host says so', async () => {
  const host = await enrolledHost()
  const begun = host.world.clock.now
  expect(exitCode('admin', await heartbeat.run([], host.world))).toBe(0)
  at(host, begun + 31 * day)
  expect((await host.phase('account', { PAM_USER: 'rtyler' })).outcome).toBe('unavailable portal-refuses-host')
  expect(exitCode('admin', await heartbeat.run([], host.world))).toBe(70)
})
