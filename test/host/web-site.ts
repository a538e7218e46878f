// Everything that is elsewhere when a person logs in to a host: the provider, `ob portal`, and a browser. It runs
// inside the lab's network as a program of its own:  bun test/host/web-site.ts PORT HOST GROUP
//   curl -d '["https://…/w/…", "sub-alice"]' http://127.0.0.1:PORT/confirm      →  "BCD-FGH-JKL"
import { newPerson, startBrowser } from '../browser/parts.ts'
import { heading, pressMine, signIn } from '../browser/person.ts'
import { startSite } from '../browser/site.ts'

const [port = '0', host = '', group = ''] = process.argv.slice(2)
const people = {
  'sub-alice': { preferred_username: 'alice', groups: ['staff', 'admins'], name: 'Alice' },
  'sub-bob': { preferred_username: 'bob', groups: ['staff'] },
}
const site = await startSite({ people })
const credential = await site.addHost(host, group)
// Started when it is first needed: without chromium the service and the provider are good for something, too.
let starting: ReturnType<typeof startBrowser> | undefined
const browser = () => {
  starting ??= startBrowser()
  return starting
}

const inBrowser = async <T>(
  url: string,
  name: string,
  work: (page: Awaited<ReturnType<typeof newPerson>>) => Promise<T>,
) => {
  const page = await newPerson(await browser())
  try {
    await signIn(page, url, name)
    return await work(page)
  } finally {
    await page.close()
  }
}

const verbs: Readonly<Record<string, (...words: readonly string[]) => unknown>> = {
  facts: () => ({ base: site.base, credential, ca: `${site.directory}/cert.pem` }),
  confirm: (url = '', name = '', remember = '') =>
    inBrowser(url, name, (page) => pressMine(page, remember === 'remember')),
  /** Why nobody can act as the person; null when there is a browser that starts. */
  browser: () => {
    if (Bun.which('chromium') === null) return 'there is no chromium on this machine'
    return browser().then(
      () => null,
      () => 'the chromium of this machine does not start',
    )
  },
  /** “This was not me”; the heading of the page after that. */
  refuse: (url = '', name = '') =>
    inBrowser(url, name, async (page) => {
      await page.click('button[value=refuse]')
      return heading(page)
    }),
  /** What the page says to somebody else. */
  look: (url = '', name = '') => inBrowser(url, name, (page) => page.textContent('main')),
  restart: () => site.restartService('SIGKILL'),
  stopService: () => site.service.end('SIGKILL').then(() => null),
  stop: async () => {
    await starting?.then(
      (started) => started.close(),
      () => undefined,
    )
    await site.stop()
    // It waits for the response to this request.
    void server.stop().then(() => process.exit(0))
  },
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(port),
  idleTimeout: 60,
  fetch: async (request) => {
    const work = verbs[new URL(request.url).pathname.slice(1)]
    if (!work) return new Response('no such verb', { status: 404 })
    try {
      return Response.json((await work(...((await request.json()) as string[]))) ?? null)
    } catch (error) {
      return new Response(String(error), { status: 500 })
    }
  },
})
console.log('ready')
