// A portal that accepts and never answers: the first login waits, the next ones are short, and each one asks. A portal
// that refuses: the first login makes a whole request, the next ones only try whether it still refuses.
import { expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import { openHttpWithBreaker } from '../../src/portal-client/circuit-breaker.ts'
import { textOf } from '../fakes/world.ts'
import { enrolledHost } from '../modes/host.ts'

const tick = 0.25
const memory = '/run/open-bastion/silent-portal'

async function silentHost() {
  const host = await enrolledHost({ config: 'timeout = 10' })
  const waits: number[] = []
  let clock = 0
  let isSilent = true
  let isStopped = false
  const timers: { readonly at: number; readonly controller: AbortController }[] = []
  // The wait costs no time here: the clock goes from one timer to the next, or past them all while nobody runs.
  const pass = (): void => {
    timers.sort((one, other) => one.at - other.at)
    clock = Math.max(clock, (isStopped ? timers.at(-1) : timers[0])?.at ?? 0)
    for (const timer of timers.filter(({ at }) => at <= clock)) {
      timers.splice(timers.indexOf(timer), 1)
      timer.controller.abort()
    }
  }
  const { fetch } = host.world
  Object.assign(host.world, {
    monotonic: () => clock,
    timeout: (seconds: number) => {
      const controller = new AbortController()
      timers.push({ at: clock + seconds * 1000, controller })
      if (seconds !== tick) waits.push(seconds)
      return controller.signal
    },
    fetch: async (...asked: Parameters<typeof fetch>) => {
      const signal = asked[1].signal as AbortSignal
      for (; isSilent && !signal.aborted; await Bun.sleep(0)) pass()
      signal.throwIfAborted()
      return fetch(...asked)
    },
  })
  const stop = (): void => {
    isStopped = true
  }
  const ask = () =>
    openHttpWithBreaker(
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
  return { host, waits, ask, answers, stop }
}

test('after one long wait the next ones are short, for a minute', async () => {
  const { host, waits, ask } = await silentHost()
  for (let i = 0; i < 3; i++) expect((await ask()).kind).toBe('unreachable')
  host.world.clock.now += 61
  await ask()
  expect(waits).toEqual([10, 2, 2, 10])
})

// Whoever can stop the process lets the time pass without letting it hear what the portal says.
test('a process that was stopped while it waited cannot say that there was no answer', async () => {
  const { host, ask, stop } = await silentHost()
  stop()
  const answer = await ask()
  expect([answer.kind, 'detail' in answer && answer.detail]).toEqual([
    'garbled',
    'this process was stopped for 10 s while it waited',
  ])
  expect(textOf(host.world, memory)).toBeUndefined()
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

async function absentHost(config = '') {
  const host = await enrolledHost({ config })
  const asked = { knocks: [] as string[], requests: 0 }
  let knocking: string | undefined = 'ECONNREFUSED'
  let isThere = false
  const { fetch } = host.world
  Object.assign(host.world, {
    probeTcp: async (name: string, port: number) => {
      asked.knocks.push(`${name} ${port}`)
      return knocking
    },
    fetch: (...request: Parameters<typeof fetch>) => {
      asked.requests++
      if (!isThere) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
      return fetch(...request)
    },
  })
  const ask = (url = 'https://auth.example.test/.well-known/openid-configuration') =>
    openHttpWithBreaker(host.world, loadConfig(host.world.files))({ method: 'GET', url, headers: {} })
  const come = (): void => {
    knocking = undefined
    isThere = true
  }
  const sayOnKnocking = (code: string | undefined): void => {
    knocking = code
  }
  return { host, asked, ask, come, sayOnKnocking }
}

test('a portal that refused a connection is only knocked at, for a minute', async () => {
  const { host, asked, ask } = await absentHost()
  const first = await ask()
  expect(first).toEqual({
    kind: 'unreachable',
    detail: 'no connection to auth.example.test (ECONNREFUSED)',
    responded: false,
  })
  for (let i = 0; i < 2; i++) expect(await ask()).toEqual(first)
  expect(asked).toEqual({ knocks: ['auth.example.test 443', 'auth.example.test 443'], requests: 1 })
  host.world.clock.now += 61
  await ask()
  expect(asked.requests).toBe(2)
})

test('it is asked again as soon as it takes the connection, and then without knocking', async () => {
  const { asked, ask, come } = await absentHost()
  await ask()
  come()
  for (let i = 0; i < 2; i++) expect((await ask()).kind).toBe('answer')
  expect(asked).toEqual({ knocks: ['auth.example.test 443'], requests: 3 })
})

test.each(['ETIMEDOUT', 'ENOTFOUND', 'EADDRNOTAVAIL', undefined])(
  'knocking that ends with %p decides nothing: the request does',
  async (code) => {
    const { asked, ask, sayOnKnocking } = await absentHost()
    await ask()
    sayOnKnocking(code)
    await ask()
    expect(asked.requests).toBe(2)
  },
)

test('an address and a port are knocked at as they are written', async () => {
  const { asked, ask } = await absentHost()
  await ask()
  await ask('https://[2001:db8::1]:8443/')
  expect(asked.knocks).toEqual(['2001:db8::1 8443'])
})

test('behind a proxy only the request itself can tell', async () => {
  const { asked, ask } = await absentHost('proxy = http://proxy.example.test:3128')
  await ask()
  await ask()
  expect(asked).toEqual({ knocks: [], requests: 2 })
})

test('a portal that answers badly is not one that refuses', async () => {
  const { host, asked, ask, come } = await absentHost()
  come()
  host.portal.control.fault({ kind: 'down', status: 503 })
  await ask()
  await ask()
  expect(asked.knocks).toEqual([])
})
