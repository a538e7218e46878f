// A portal that accepts and never answers: the first login waits, the next ones are short, and each one asks.
import { expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import { openPatientHttp } from '../../src/ports/patience.ts'
import { textOf } from '../fakes/world.ts'
import { enrolledHost } from '../modes/host.ts'

const memory = '/run/open-bastion/silent-portal'

async function silentHost() {
  const host = await enrolledHost({ config: 'timeout = 10' })
  const waits: number[] = []
  let clock = 0
  let isSilent = true
  Object.assign(host.world, {
    monotonic: () => clock,
    // The wait itself costs no time here: it ends at once, and the clock says how long it was.
    limit: (seconds: number) => {
      waits.push(seconds)
      if (!isSilent) return new AbortController().signal
      clock += seconds * 1000
      return AbortSignal.abort()
    },
  })
  const ask = () =>
    openPatientHttp(
      host.world,
      loadConfig(host.world.files),
    )({
      method: 'GET',
      url: 'https://auth.example.test/.well-known/openid-configuration',
      headers: {},
    })
  const answers = (): void => {
    isSilent = false
  }
  return { host, waits, ask, answers }
}

test('after one long wait the next ones are short, for a minute', async () => {
  const { host, waits, ask } = await silentHost()
  for (let i = 0; i < 3; i++) expect((await ask()).kind).toBe('unreachable')
  host.world.clock.now += 61
  await ask()
  expect(waits).toEqual([10, 2, 2, 10])
})

test('an answer brings the patience back', async () => {
  const { host, waits, ask, answers } = await silentHost()
  await ask()
  answers()
  expect((await ask()).kind).toBe('answer')
  expect(textOf(host.world, memory)).toBeUndefined()
  await ask()
  expect(waits).toEqual([10, 2, 10])
})

test('a refused connection is no wait', async () => {
  const { host, ask, answers } = await silentHost()
  answers()
  host.portal.control.fault({ kind: 'down', status: 503 })
  await ask()
  expect(textOf(host.world, memory)).toBeUndefined()
})

test('where nothing can be remembered, the portal is asked as ever', async () => {
  const { host, waits, ask } = await silentHost()
  host.break((path) => (path === memory ? 'there is no space left' : undefined))
  await ask()
  await ask()
  expect(waits).toEqual([10, 10])
})
