// The pages in a real browser: what a person can do with the keyboard, on a phone, in the dark, without script, and
// what the provider's own logout ends.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type Browser, browserRefusal, newPerson, type Page, startBrowser } from './parts.ts'
import { heading, logOutAtProvider, pressMine, signIn } from './person.ts'
import { type Site, startSite } from './site.ts'

const refusal = browserRefusal()
if (refusal !== undefined) console.error(`browser tests are skipped: ${refusal}`)
const inBrowser = (name: string, work: () => Promise<void>) =>
  (refusal === undefined ? test : test.skip)(name, work, 60_000)

let site: Site
let browser: Browser
const key = `SHA256:${'A'.repeat(43)}`
const wish = { key_fingerprint: key, key_type: 'ED25519', approval_seconds: 28_800, host_group: 'web' }

beforeAll(async () => {
  if (refusal !== undefined) return
  const people = {
    'sub-alice': { preferred_username: 'alice', groups: ['<b>ops</b>', 'dev'] },
    'sub-bob': { preferred_username: 'bob' },
    'sub-script': { preferred_username: '<script>alert(1)</script>' },
  }
  site = await startSite({ people, service: 'transaction_lifetime = 600\nsession_lifetime = 7200' })
  browser = await startBrowser()
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await site?.stop()
})

const begin = async (over: object = {}): Promise<{ session: string; url: string }> => {
  const { status, body } = await site.start(over)
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body as { session: string; url: string }
}

const as = async (name: string, url: string, options: Parameters<typeof newPerson>[1] = {}): Promise<Page> => {
  const page = await newPerson(browser, options)
  await signIn(page, url, name)
  return page
}

inBrowser('"this was not me" stops the login, and Enter presses it wherever the focus is', async () => {
  const { session, url } = await begin(wish)
  const page = await as('sub-alice', url)
  await page.focus('input[name=remember]')
  await page.keyboard.press('Enter')
  await page.waitForSelector('h1:text("The login was stopped")')
  expect((await site.check(session, 'BBB-BBB-BBB')).body).toEqual({ result: 'refused' })
  await page.close()
})

const focused =
  '(({ tagName, name, value }) => [tagName, name, value].filter(Boolean).join(" "))(document.activeElement)'

inBrowser('the keyboard alone is enough, in the order of the page, and the focus can be seen', async () => {
  const { session, url } = await begin(wish)
  const page = await as('sub-alice', url)
  const order: string[] = []
  for (let count = 0; count < 5; count++) {
    await page.keyboard.press('Tab')
    order.push(await page.evaluate<string>(focused))
    const outline = await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle')
    expect(outline).toBe('solid')
  }
  expect(order).toEqual(['A', 'BUTTON', 'BUTTON decision refuse', 'INPUT remember 1', 'BUTTON decision confirm'])
  await page.keyboard.press('Enter')
  const code = (await page.textContent('#code'))!.trim()
  expect((await site.check(session, code)).body).toMatchObject({ result: 'confirmed', groups: ['<b>ops</b>', 'dev'] })
  await page.close()
})

inBrowser('somebody else who opens the address sees nothing and can do nothing', async () => {
  const { session, url } = await begin()
  const page = await as('sub-bob', url)
  expect(await heading(page)).toBe('This login is not yours')
  expect(await page.textContent('main')).not.toContain('web1.example.org')
  expect(await page.locator('main button').count()).toBe(0)
  expect((await site.check(session, 'BBB-BBB-BBB')).body).toEqual({ result: 'pending' })
  await page.close()
})

inBrowser('without script everything works, and nothing is fetched from anywhere else', async () => {
  const { session, url } = await begin()
  const page = await newPerson(browser, { javaScriptEnabled: false })
  const asked = new Set<string>()
  page.on('request', (request) => {
    // What our pages ask for; the provider's own page is another's.
    if (page.url().startsWith(site.base) && !request.isNavigationRequest()) asked.add(new URL(request.url()).origin)
  })
  await signIn(page, url, 'sub-alice')
  const code = await pressMine(page)
  expect((await site.check(session, code)).body).toMatchObject({ result: 'confirmed', user: 'alice' })
  expect([...asked]).toEqual([site.base])
  await page.close()
})

/** WCAG 2.2 §1.4.3: the contrast of each text with what is behind it. It runs in the page, whose types are not ours. */
const contrasts = `(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number)
  const light = (colour) => {
    const [r, g, b] = numbers(colour).map((part) => {
      const unit = part / 255
      return unit <= 0.04045 ? unit / 12.92 : ((unit + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const { backgroundColor } = getComputedStyle(one)
      if (numbers(backgroundColor)[3] !== 0) return backgroundColor
    }
    return 'rgb(255, 255, 255)'
  }
  return [...document.querySelectorAll('h1,h2,p,dt,dd,small,button,a,label,strong,#code,header span')].map((element) => {
    const pair = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a)
    return [element.tagName + ' ' + element.textContent.slice(0, 20), (pair[0] + 0.05) / (pair[1] + 0.05)]
  })
})()`

for (const colorScheme of ['light', 'dark'] as const)
  for (const locale of ['en-GB', 'fr-FR'])
    inBrowser(
      `${colorScheme}, ${locale}: every text can be read, fits a narrow phone, and every field has a name`,
      async () => {
        const { session, url } = await begin({ ...wish, rhost: '2001:db8:1111:2222:3333:4444:5555:6666' })
        const page = await as('sub-alice', url, { colorScheme, locale, viewport: { width: 320, height: 600 } })
        const judge = async () => {
          for (const [what, ratio] of await page.evaluate<readonly (readonly [string, number])[]>(contrasts))
            expect([what, ratio >= 4.5]).toEqual([what, true])
          const width = await page.evaluate<number>('document.scrollingElement.scrollWidth')
          expect([await heading(page), width]).toEqual([await heading(page), 320])
          const nameless = 'input:not([type=hidden]):not(label input), button:empty, html:not([lang])'
          expect(await page.locator(nameless).count()).toBe(0)
          expect(await page.getAttribute('html', 'lang')).toBe(locale.slice(0, 2))
        }
        await judge()
        const code = await pressMine(page, true)
        await judge()
        await site.check(session, code)
        await page.reload()
        await judge()
        await page.goto(`${site.base}/me`)
        await judge()
        await page.click('form[action="/me/approvals"] button')
        await page.goto((await begin({ user: 'bob' })).url)
        await judge()
        await page.goto(`${site.base}/nothing`)
        await judge()
        await page.close()
      },
    )

inBrowser('an approval saves the next question, until the person withdraws it on their page', async () => {
  const { session, url } = await begin({ ...wish, rhost: '198.51.100.1' })
  const page = await as('sub-alice', url)
  const code = await pressMine(page, true)
  expect((await site.check(session, code)).body).toMatchObject({ approval_expires_at: expect.any(Number) })
  expect((await site.start({ ...wish, rhost: '198.51.100.1' })).body).toMatchObject({ approved: true, user: 'alice' })
  expect((await site.start({ ...wish, rhost: '198.51.100.1', service: 'sudo' })).status).toBe(201)
  await page.goto(`${site.base}/me`)
  await page.click(`button[aria-label="Withdraw the approval of ${key}"]`)
  await page.waitForSelector('text=There are none.')
  expect((await site.start({ ...wish, rhost: '198.51.100.1' })).status).toBe(201)
  await page.close()
})

inBrowser('logging out at the provider ends the browser and the approvals here', async () => {
  const { session, url } = await begin({ ...wish, rhost: '198.51.100.2' })
  const page = await as('sub-alice', url)
  await site.check(session, await pressMine(page, true))
  expect((await site.start({ ...wish, rhost: '198.51.100.2' })).body).toMatchObject({ approved: true })
  await logOutAtProvider(page, `http://127.0.0.1:${site.ports.provider}`)
  await site.service.said('LOGOUT_FROM_PROVIDER')
  expect((await site.start({ ...wish, rhost: '198.51.100.2' })).status).toBe(201)
  await page.goto(`${site.base}/me`)
  expect(await heading(page)).toBe('Sign in')
  await page.close()
})

inBrowser('a provider that was killed and comes back with new keys is believed again', async () => {
  const { session, url } = await begin()
  await site.restartProvider()
  const page = await as('sub-alice', url)
  expect((await site.check(session, await pressMine(page))).body).toMatchObject({ result: 'confirmed' })
  await page.close()
})

inBrowser('what was begun goes on after the service was killed, and a code is spent at most once', async () => {
  const { session, url } = await begin()
  const page = await as('sub-alice', url)
  const code = await pressMine(page)
  const hundred = Array.from({ length: 100 }, () =>
    site.check(session, code).catch(() => ({ body: { result: 'lost' } })),
  )
  await site.restartService('SIGKILL')
  const during = (await Promise.all(hundred)).filter(({ body }) => body['result'] === 'confirmed').length
  const after = (await site.check(session, code)).body['result']
  expect(during + (after === 'confirmed' ? 1 : 0)).toBeLessThanOrEqual(1)
  await page.reload()
  expect(await heading(page)).toBe('You are logged in')
  await page.close()
})

inBrowser('claims that hold tags are text', async () => {
  const page = await newPerson(browser)
  await page.goto(`${site.base}/me`)
  await page.click('a[data-provider]')
  await page.fill('input[name=login]', 'sub-script')
  await page.fill('input[name=password]', 'any')
  await page.click('button[type=submit]')
  await page.click('button[type=submit]')
  await page.waitForSelector('h1:text("That did not work")')
  expect(await page.locator('main script').count()).toBe(0)
  await page.close()
})
