// The program as an administrator runs it: commands, what it refuses, how it begins and ends, and two instances on one
// PostgreSQL.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, chownSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cluster, postgresRefusal, startPostgres } from '../portal-server/storages.ts'
import { browserRefusal, newPerson, startBrowser } from './parts.ts'
import { heading, pressMine, signIn } from './person.ts'
import { freePort, program, type Site, startProcess, startSite } from './site.ts'

const isRoot = process.getuid?.() === 0
const asRoot = isRoot ? test : test.skip
if (!isRoot) console.error('the tests of the program are skipped: they start it under a user of its own, as root')

const people = { 'sub-alice': { preferred_username: 'alice', groups: ['ops'] } }

let site: Site
beforeAll(async () => {
  if (isRoot) site = await startSite({ people, service: 'proxies = 0' })
}, 60_000)
afterAll(() => site?.stop())

asRoot(
  'hosts are added, listed and revoked while the service runs',
  async () => {
    const credential = await site.addHost('DB1.example.org', 'db')
    expect(credential).toMatch(/^obh_[\w-]{43}$/)
    const ask = () => site.start({ host: 'db1.example.org' }, `Bearer ${credential}`)
    expect((await ask()).status).toBe(201)
    expect((await site.ob('host', 'list')).stdout).toMatch(
      /^db1\.example\.org {2}db {2}\d{4}-\d\d-\d\d\nweb1\.example\.org/,
    )
    expect(await site.ob('host', 'revoke', 'db1.example.org')).toMatchObject({ code: 0 })
    expect((await ask()).status).toBe(401)
    expect(await site.ob('host', 'revoke', 'db1.example.org')).toMatchObject({
      code: 1,
      stdout: 'there is no such host\n',
    })
    expect((await site.ob('host', 'list', '--json')).stdout).toContain('"revokedAt":')
  },
  60_000,
)

asRoot(
  'wrong words are explained',
  async () => {
    for (const words of [
      [],
      ['colour'],
      ['host'],
      ['host', 'add'],
      ['host', 'add', 'a b'],
      ['host', 'add', 'a', 'b'],
      ['serve', 'x'],
    ])
      expect([words, (await site.ob(...words)).code]).toEqual([words, 64])
  },
  60_000,
)

asRoot(
  'explain says step by step who a token would be',
  async () => {
    const path = join(site.directory, 'token')
    const payload = Buffer.from(JSON.stringify({ sub: 'x', preferred_username: 'alice', groups: ['/ops'] })).toString(
      'base64url',
    )
    writeFileSync(path, `eyJhbGciOiJub25lIn0.${payload}.\n`)
    expect(await site.ob('explain', '--token', path)).toMatchObject({
      code: 0,
      stdout:
        'by the rules of idp:\n  /preferred_username: "alice"\n  /groups: 1 of 1 usable\naccount alice, groups ops\n',
    })
    writeFileSync(path, '{"preferred_username":"root"}')
    const root = await site.ob('explain', '--token', path)
    expect([root.code, root.stdout]).toEqual([1, expect.stringContaining('nobody: name-unfit')])
    writeFileSync(path, 'no token')
    expect((await site.ob('explain', '--token', path)).code).toBe(70)
  },
  60_000,
)

asRoot(
  'a configuration that others can read, or that is wrong, is refused with the remedy',
  async () => {
    chmodSync(site.config, 0o644)
    const open = await site.ob('check')
    expect([open.code, open.stderr]).toEqual([70, expect.stringContaining(`chmod 640 ${site.config}`)])
    site.write('colour = red\nproxies = many')
    const wrong = await site.ob('check')
    expect(wrong.stderr).toContain('line 8: unknown key "colour"')
    expect(wrong.stderr).toContain('line 9: proxies must be a whole number from 0 to 5')
    site.write('proxies = 0')
    expect(await site.ob('check')).toMatchObject({ code: 0, stdout: expect.stringContaining('providers: idp') })
  },
  60_000,
)

asRoot(
  'it does not run as root, and its files are nobody else’s',
  async () => {
    const started = await startProcess(
      [program, 'portal', 'serve', '--config', site.alone().config],
      'ob portal listens at',
    )
    expect((await Bun.file(`/proc/${started.pid}/status`).text()).match(/^(?:Uid|Gid|Groups):.*$/gm)).toEqual([
      'Uid:\t65534\t65534\t65534\t65534',
      'Gid:\t65534\t65534\t65534\t65534',
      'Groups:\t65534 ',
    ])
    await started.end('SIGTERM')
    const modes = Bun.spawnSync(['find', join(site.directory, 'data'), '-type', 'f', '-perm', '/077'])
    expect(modes.stdout.toString()).toBe('')
    chownSync(join(site.directory, 'data'), 0, 0)
    try {
      const { code, stderr } = await site.ob('serve')
      expect([code, stderr]).toEqual([70, expect.stringContaining('does not run as root')])
    } finally {
      chownSync(join(site.directory, 'data'), 65534, 65534)
    }
  },
  60_000,
)

asRoot(
  'a provider that takes the connection and says nothing is given up after eight seconds, and hosts are answered meanwhile',
  async () => {
    const { config, base } = site.alone()
    const fresh = await startProcess([program, 'portal', 'serve', '--config', config], 'ob portal listens at')
    process.kill(site.provider.pid, 'SIGSTOP')
    try {
      const since = performance.now()
      const tls = { rejectUnauthorized: false }
      const login = fetch(`${base}/login/idp`, { tls, redirect: 'manual' } as BunFetchRequestInit)
      const request = { user: 'alice', service: 'sshd', host: 'web1.example.org', rhost: '127.0.0.1' }
      expect((await site.post('/weblogin/start', request, undefined, base)).status).toBe(201)
      expect(performance.now() - since).toBeLessThan(7_000)
      expect((await login).status).toBe(502)
      expect(await fresh.said('SIGN_IN_FAILED')).toContain('"detail":"no answer in time"')
    } finally {
      process.kill(site.provider.pid, 'SIGCONT')
      await fresh.end('SIGTERM')
    }
  },
  60_000,
)

asRoot(
  'behind a proxy on a unix socket: the address is the one that the proxy wrote',
  async () => {
    const socket = join(site.directory, 'data', 'http')
    const path = join(site.directory, 'behind.conf')
    const database = `sqlite:${site.directory}/data/portal.db`
    writeFileSync(
      path,
      `base_url = https://login.example\nlisten = unix:${socket}\nproxies = 1\ndatabase = ${database}
[provider idp]\nissuer = http://127.0.0.1:${site.ports.provider}\nclient_id = x\n`,
      { mode: 0o640 },
    )
    chownSync(path, 0, 65534)
    const behind = await startProcess([program, 'portal', 'serve', '--config', path], 'ob portal listens at')
    try {
      const response = await fetch('http://localhost/weblogin/start', {
        unix: socket,
        method: 'POST',
        headers: { 'x-forwarded-for': '203.0.113.66, 198.51.100.5', authorization: 'Bearer wrong' },
      } as BunFetchRequestInit)
      expect(response.status).toBe(401)
      expect(await behind.said('HOST_REFUSED')).toContain('"address":"198.51.100.5"')
    } finally {
      await behind.end('SIGTERM')
    }
  },
  60_000,
)

asRoot(
  'systemd is told when it is ready and when it ends; what is being answered is answered',
  async () => {
    const socket = join(site.directory, 'data', 'notify')
    const heard = Bun.spawn(
      [
        'python3',
        '-c',
        `import socket,os,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); os.chmod(sys.argv[1],0o666)
while True:
  m=s.recv(99).decode(); print(m,flush=True)
  if m.startswith('STOPPING'): break`,
        socket,
      ],
      { stdout: 'pipe' },
    )
    while (!existsSync(socket)) await Bun.sleep(10)
    const service = await startProcess(
      ['env', `NOTIFY_SOCKET=${socket}`, program, 'portal', 'serve', '--config', site.alone().config],
      'ob portal listens at',
    )
    expect(await service.end('SIGTERM')).toBe(0)
    const words = (await heard.stdout.text()).trim().split('\n')
    expect([words[0], words.at(-1)]).toEqual(['READY=1', 'STOPPING=1'])
  },
  60_000,
)

asRoot(
  'figures and health are on their own address, and nowhere else',
  async () => {
    expect(await site.figures('/healthz')).toBe('ok\n')
    expect(await site.figures()).toMatch(/^ob_portal_up 1$/m)
    const outside = await fetch(`${site.base}/metrics`, { tls: { rejectUnauthorized: false } } as BunFetchRequestInit)
    expect(outside.status).toBe(404)
  },
  60_000,
)

const refusal = browserRefusal() ?? postgresRefusal() ?? (isRoot ? undefined : 'not root')
if (refusal !== undefined) console.error(`the test of two instances on PostgreSQL is skipped: ${refusal}`)
const onPostgres = refusal === undefined ? test : test.skip

onPostgres(
  'two instances on one PostgreSQL are one service; when it dies nothing is decided, and it comes back',
  async () => {
    const port = freePort()
    const cluster: Cluster = await startPostgres(port)
    const shared = await startSite({ people, database: cluster.address('postgres') })
    const browser = await startBrowser()
    try {
      const second = await shared.second()
      const { credential } = shared
      const ask = (path: string, body: object) => shared.post(path, body, `Bearer ${credential}`, second.base)
      const request = { user: 'alice', service: 'sshd', host: 'web1.example.org', rhost: '127.0.0.1' }
      const { body } = await ask('/weblogin/start', request)
      const page = await newPerson(browser)
      await signIn(page, String(body['url']), 'sub-alice')
      expect(await heading(page)).toBe('Did you start this login?')
      const code = await pressMine(page)
      const both = await Promise.all([
        ask('/weblogin/check', { session: body['session'], code }),
        shared.check(body['session'], code),
      ])
      expect(both.map((answer) => answer.body['result']).toSorted()).toEqual(['confirmed', 'expired'])
      await cluster.kill()
      expect(await shared.start()).toEqual({ status: 503, body: { error: 'unavailable' } })
      expect(await shared.figures('/healthz')).toBe('the database does not answer\n')
      await page.reload()
      expect(await heading(page)).toBe('That did not work')
      await cluster.restart()
      expect((await shared.start()).status).toBe(201)
      await second.process.end('SIGTERM')
    } finally {
      await browser.close()
      await shared.stop()
      await cluster.stop()
    }
  },
  120_000,
)
