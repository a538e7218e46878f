// ob-portal.service under a real systemd: it starts in its sandbox as a user of its own, answers, comes back when it is
// killed, and ends when it is told to.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { type Booted, boot, NotBooted } from './systemd.ts'

const booted = existsSync('dist/ob')
  ? await boot().catch((error: unknown) => error)
  : new NotBooted('dist/ob is not built')
if (booted instanceof NotBooted) console.error(`the tests of ob-portal.service are left out: ${booted.message}`)
else if (booted instanceof Error) throw booted
const host = booted as Booted
const isMissing = booted instanceof NotBooted
const inSystemd = (name: string, work: () => Promise<void>): void => (isMissing ? test.skip : test)(name, work, 60_000)

const configuration = `base_url = http://localhost:8480
metrics_listen = unix:/run/ob-portal/figures
[provider idp]
issuer = http://127.0.0.1:1
client_id = ob-portal
`

beforeAll(async () => {
  if (isMissing) return
  await host.need(`set -e
    cd /srv/repository
    install -m 755 -o root dist/ob /usr/sbin/ob
    install -m 644 -t /etc/systemd/system packaging/systemd/ob-portal.service
    useradd --system --user-group --no-create-home --home-dir /var/lib/ob-portal --shell /usr/sbin/nologin ob-portal
    install -d -m 0755 /etc/open-bastion
    systemctl daemon-reload`)
  host.write('/etc/open-bastion/portal.conf', configuration, 0o640)
  await host.need('chown root:ob-portal /etc/open-bastion/portal.conf && systemctl start ob-portal')
}, 120_000)

afterAll(async () => {
  if (!isMissing) await host.stop()
})

const show = async (name: string): Promise<string> => (await host.need(`systemctl show -P ${name} ob-portal`)).trim()

const ask = (credential: string): Promise<string> => {
  const body = JSON.stringify({ user: 'alice', service: 'sshd', host: 'web1.example.org', rhost: '192.0.2.7' })
  const headers = `-H 'authorization: Bearer ${credential}' -H 'content-type: application/json'`
  return host.need(`curl -s -w ' %{http_code}' ${headers} -d '${body}' http://localhost:8480/weblogin/start`)
}

let credential = ''

inSystemd('it is ready when systemd says so, as its own user, and its files are its own', async () => {
  expect(await show('ActiveState')).toBe('active')
  const pid = await show('MainPID')
  expect((await host.need(`stat -c '%U %G' /proc/${pid}`)).trim()).toBe('ob-portal ob-portal')
  expect((await host.need('stat -c "%U %a" /var/lib/ob-portal /var/lib/ob-portal/portal.db')).trim()).toBe(
    'ob-portal 700\nob-portal 600',
  )
})

inSystemd('root adds a host while it runs, and the host is answered', async () => {
  credential = (await host.need('ob portal host add web1.example.org')).trim()
  expect(await ask(credential)).toMatch(/^\{"session":"[\w-]{22}","url":"http:\/\/localhost:8480\/w\/\w{13}".*\} 201$/)
  // Nothing of root's was left beside the database.
  expect((await host.need('find /var/lib/ob-portal ! -user ob-portal')).trim()).toBe('')
  expect(await host.need('curl -s --unix-socket /run/ob-portal/figures http://localhost/healthz')).toBe('ok\n')
})

inSystemd('its decisions are in the journal, without secrets', async () => {
  const journal = await host.need('journalctl -u ob-portal -o cat --no-pager')
  expect(journal).toContain('"event_type":"WEBLOGIN_STARTED"')
  expect(journal).not.toContain(credential)
})

inSystemd('killed, it comes back and goes on with what it knows', async () => {
  const before = await show('MainPID')
  await host.need('systemctl kill -s KILL ob-portal')
  for (let tries = 0; tries < 400; tries++) {
    if ((await show('ActiveState')) === 'active' && (await show('MainPID')) !== before) break
    await Bun.sleep(50)
  }
  expect(await show('MainPID')).not.toBe(before)
  expect(await ask(credential)).toEndWith(' 201')
})

inSystemd('told to stop, it ends by itself and at once', async () => {
  const since = performance.now()
  await host.need('systemctl stop ob-portal')
  expect(performance.now() - since).toBeLessThan(8_000)
  expect(await show('Result')).toBe('success')
})

inSystemd('it is exposed little', async () => {
  const security = 'systemd-analyze security --offline=yes --threshold=25 /etc/systemd/system/ob-portal.service'
  expect((await host.run(security)).code).toBe(0)
})
