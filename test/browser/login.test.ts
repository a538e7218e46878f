// From end to end with nothing faked: the program that is shipped, a provider that is not ours, a browser, and a host
// that only knows the wire.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type Browser, browserRefusal, newPerson, startBrowser } from './parts.ts'
import { heading, pressMine, signIn } from './person.ts'
import { type Site, startSite } from './site.ts'

const refusal = browserRefusal()
if (refusal !== undefined) console.error(`browser tests are skipped: ${refusal}`)
const inBrowser = (name: string, work: () => Promise<void>) =>
  (refusal === undefined ? test : test.skip)(name, work, 60_000)

let site: Site
let browser: Browser

beforeAll(async () => {
  if (refusal !== undefined) return
  const people = {
    'sub-alice': { preferred_username: 'alice', groups: ['ops', '/dev'], name: 'Alice' },
    'sub-bob': { preferred_username: 'bob', groups: [] },
  }
  site = await startSite({ people })
  browser = await startBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await site?.stop()
})

inBrowser('a person logs in, says that it was them, and the code that they read opens the door once', async () => {
  const started = await site.start()
  expect(started.status).toBe(201)
  const { session, url } = started.body as { session: string; url: string }
  expect(await site.check(session, 'BCD-FGH-JKL')).toEqual({ status: 200, body: { result: 'pending' } })
  const page = await newPerson(browser)
  await signIn(page, url, 'sub-alice')
  expect(await heading(page)).toBe('Did you start this login?')
  const code = await pressMine(page)
  expect(code).toMatch(/^[B-Z]{3}-[B-Z]{3}-[B-Z]{3}$/)
  expect(await site.check(session, code.toLowerCase())).toEqual({
    status: 200,
    body: {
      result: 'confirmed',
      user: 'alice',
      subject: 'sub-alice',
      issuer: `http://127.0.0.1:${site.ports.provider}`,
      groups: ['dev', 'ops'],
      auth_time: expect.any(Number),
    },
  })
  expect(await site.check(session, code)).toEqual({ status: 200, body: { result: 'expired' } })
  await page.reload()
  expect(await heading(page)).toBe('You are logged in')
  await page.close()
})
