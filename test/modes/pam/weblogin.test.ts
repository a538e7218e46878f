// The programs of a web login in memory: what is asked of whom, with which credential, and what is left behind.
import { expect, test } from 'bun:test'
import { mode as pam } from '../../../modes/pam/pam.ts'
import { mode } from '../../../modes/pam/weblogin.ts'
import type { Ending } from '../../../modes/run/mode.ts'
import { audited, type FakeWorld, fakeWorld, textOf } from '../../fakes/world.ts'
import { createPortal } from '../../portal/portal.ts'
import { createService, type Service } from '../../weblogin/stand-in.ts'
import { configText, pem, portalUrl } from '../host.ts'

const base = 'https://login.example.test'
const key = 'publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n'

type Host = {
  readonly world: FakeWorld
  readonly service: Service
  readonly portal: ReturnType<typeof createPortal>
  /** Requests in order, as "PATH credential". */
  readonly seen: string[]
  readonly run: (args: readonly string[], options?: Partial<Run>) => Promise<Ran>
  readonly handle: () => string
  /** Fails every change of a path for which this gives a cause. */
  readonly break: (broken: (path: string) => string | undefined) => void
}
type Run = { readonly typed: string; readonly env: Readonly<Record<string, string>>; readonly seeds: string }
type Ran = { readonly outcome: string; readonly said: string }

const outcomeOf = (ending: Ending): Ran => ({
  outcome: ending.kind === 'outcome' ? `${ending.outcome.kind} ${ending.outcome.reason}` : `usage ${ending.text}`,
  said: ending.text ?? '',
})

async function start(config: string, credential?: string): Promise<Host> {
  const portal = createPortal({ url: portalUrl })
  const tokens = await portal.control.enroll({})
  const service = createService(base, credential ?? String((tokens as { access_token: string }).access_token))
  const seen: string[] = []
  let broken: (path: string) => string | undefined = () => undefined
  const world = fakeWorld({
    files: {
      '/etc/open-bastion/openbastion.conf': configText(config),
      '/etc/open-bastion/ca.pem': pem,
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
      '/etc/group': 'root:x:0:\n',
      '/etc/ssl/certs/ca-certificates.crt': pem,
      '/var/lib/open-bastion/token': JSON.stringify(tokens),
    },
    now: Math.floor(Date.now() / 1000),
    broken: (path) => broken(path),
    fetch: async (request) => {
      const { host, pathname } = new URL(request.url)
      seen.push(`${host}${pathname} ${request.headers.get('authorization') ?? 'nothing'}`)
      return host === new URL(base).host ? service.answer(request) : portal.handle(request)
    },
  })
  const run = async (args: readonly string[], { typed = '', env = {}, seeds = 'one' }: Partial<Run> = {}) => {
    const items = { PAM_TYPE: 'auth', PAM_SERVICE: 'sshd', PAM_USER: 'dwho', PAM_RHOST: '192.0.2.7', PAM_TTY: 'ssh' }
    const one: FakeWorld = {
      ...world,
      env: { ...items, SSH_CONNECTION: '192.0.2.7 1 192.0.2.1 22', SSH_AUTH_INFO_0: '', ...env },
      connectionSeed: () => seeds,
      stdin: (limit) => new TextEncoder().encode(typed).subarray(0, limit),
    }
    return outcomeOf(await (args.length === 0 ? pam : mode).run(args, one))
  }
  const handle = () => /\/w(?:eb)?\/(\w+)/.exec(textOf(world, pendingOf(world)) ?? '')?.[1] ?? ''
  return {
    ...{ world, service, portal, seen, run, handle },
    break: (next) => {
      broken = next
    },
  }
}

const pendingOf = (world: FakeWorld): string =>
  [...world.disk.keys()].find((path) => path.includes('/weblogin/pending/') && path.endsWith('.json')) ?? ''

const settings = `weblogin = portal\nweblogin_url = ${base}\nweblogin_ca_cert = /etc/open-bastion/ca.pem`

test('an enrolled host needs no other credential, and renews its own once when the service refuses it', async () => {
  const host = await start(settings)
  expect((await host.run(['weblogin-is-no-verb'])).outcome).toStartWith('usage')
  expect((await host.run(['ask'])).outcome).toBe('allowed weblogin-asked')
  expect(host.seen.length).toBe(1)
  const other = await start(settings, 'another credential')
  expect((await other.run(['ask'])).outcome).toBe('unavailable weblogin-refuses-host')
  expect(other.seen.map((line) => line.split(' ')[0])).toEqual([
    'login.example.test/weblogin/start',
    'auth.example.test/pam/heartbeat',
    'login.example.test/weblogin/start',
  ])
})

test('a credential of its own is used, is not renewed, and the portal is not told of it', async () => {
  const host = await start(`${settings}\nweblogin_token = own`, 'own')
  expect((await host.run(['ask'])).outcome).toBe('allowed weblogin-asked')
  const code = host.service.confirm(host.handle())
  expect((await host.run(['check'], { typed: code })).outcome).toBe('allowed weblogin-confirmed')
  expect(host.seen).toEqual([
    'login.example.test/weblogin/start Bearer own',
    'login.example.test/weblogin/check Bearer own',
  ])
  await host.run([], { env: { PAM_TYPE: 'account' } })
  expect(host.seen.at(-1)).toStartWith('auth.example.test/pam/authorize')
  expect(host.seen.at(-1)).not.toContain('own')
})

test('a refusal takes as long whatever its reason; what only leads to the next program is not delayed', async () => {
  const host = await start(`${settings}\nweblogin_token = own\nweblogin_approval = 600`, 'own')
  expect((await host.run(['approved'], { env: { SSH_AUTH_INFO_0: key } })).outcome).toBe('denied weblogin-not-approved')
  expect([host.world.slept.seconds, audited(host.world)]).toEqual([0, []])
  await host.run(['check'], { typed: '' })
  expect(host.world.slept.seconds).toBeCloseTo(0.4)
})

test('approved starts the login that ask shows, and the address is shown as new', async () => {
  const host = await start(`${settings}\nweblogin_token = own\nweblogin_approval = 600`, 'own')
  const env = { SSH_AUTH_INFO_0: key }
  await host.run(['approved'], { env })
  const asked = await host.run(['ask'], { env })
  expect(host.service.starts().length).toBe(1)
  expect(asked.said).toContain(`${base}/w/${host.handle()}\n`)
  expect((await host.run(['ask'], { env })).said).toStartWith('The address above is still good.')
})

test('sudo has no approvals, whatever its environment says of keys', async () => {
  const host = await start(`${settings}\nweblogin_token = own\nweblogin_approval = 600`, 'own')
  const env = { PAM_SERVICE: 'sudo', PAM_RUSER: 'dwho', SSH_AUTH_INFO_0: key }
  expect((await host.run(['approved'], { env })).outcome).toBe('denied weblogin-not-approved')
  await host.run(['ask'], { env })
  expect(host.service.starts()).toEqual([expect.not.objectContaining({ approval_seconds: 600 })])
})

test('without a proven key nobody is asked for approvals, and none is made', async () => {
  const host = await start(`${settings}\nweblogin_token = own\nweblogin_approval = 600`, 'own')
  expect((await host.run(['approved'])).outcome).toBe('denied weblogin-not-approved')
  await host.run(['ask'])
  expect(host.service.starts()[0]).not.toHaveProperty('approval_seconds')
})

test('one connection’s code is worth nothing on another, although the user is the same', async () => {
  const host = await start(`${settings}\nweblogin_token = own`, 'own')
  await host.run(['ask'])
  const code = host.service.confirm(host.handle())
  expect((await host.run(['check'], { typed: code, seeds: 'two' })).outcome).toBe('denied weblogin-not-asked')
  expect((await host.run(['check'], { typed: code, env: { PAM_USER: 'rtyler' } })).outcome).toBe(
    'denied weblogin-not-asked',
  )
  expect((await host.run(['check'], { typed: code })).outcome).toBe('allowed weblogin-confirmed')
  expect((await host.run(['check'], { typed: code })).outcome).toBe('denied weblogin-not-asked')
})

test('the same sentence for every code that does not count, and for a user whom sshd does not know', async () => {
  const host = await start(`${settings}\nweblogin_token = own\nrate_limit_max_attempts = 2`, 'own')
  const said: string[] = []
  const check = async (typed: string) => said.push((await host.run(['check'], { typed })).said)
  await check('BBB-BBB-BBB')
  await host.run(['ask'])
  await check('BBB-BBB-BBB')
  host.service.confirm(host.handle())
  await check('BBB-BBB-BBB')
  await check('')
  await check('two words')
  await check('\b\n\r\x7fINCORRECT')
  await check('BBB-BBB-BBB')
  await check('BBB-BBB-BBB')
  expect(audited(host.world).map(({ reason }) => reason)).toEqual([
    ...['weblogin-not-asked', 'weblogin-asked', 'weblogin-too-early', 'weblogin-wrong-code', 'weblogin-no-code'],
    ...['weblogin-malformed-code', 'newcomer-registered', 'weblogin-wrong-code', 'locked-out'],
  ])
  expect(new Set(said).size).toBe(1)
})

test('a host that only decides, and a stack without a service, show no address', async () => {
  const only = await start(`${settings}\nweblogin_token = own\nauthorize_only = true`, 'own')
  expect((await only.run(['ask'])).outcome).toBe('denied authorize-only')
  const off = await start('')
  expect((await off.run(['ask'])).outcome).toBe('unavailable fault')
  expect(audited(off.world)[0]).toMatchObject({ details: expect.stringContaining('set weblogin in openbastion.conf') })
  expect([...only.seen, ...off.seen]).toEqual([])
})

test('a disk that takes no record lets nobody in, and shows no address whose code could never count', async () => {
  const host = await start(`${settings}\nweblogin_token = own`, 'own')
  host.break((path) => (path.includes('/weblogin/pending/') ? 'No space left' : undefined))
  const asked = await host.run(['ask'])
  expect([asked.outcome, asked.said.includes(base)]).toEqual(['unavailable fault', false])
  host.break(() => undefined)
  await host.run(['ask'])
  const code = host.service.confirm(host.handle())
  host.break((path) => (path.includes('/weblogin/confirmed/') ? 'No space left' : undefined))
  expect((await host.run(['check'], { typed: code })).outcome).toBe('unavailable fault')
})

test('root, service accounts and what is no name have no web login', async () => {
  const host = await start(`${settings}\nweblogin_token = own`, 'own')
  expect((await host.run(['ask'], { env: { PAM_USER: 'root' } })).outcome).toBe('denied root-refused')
  expect((await host.run(['ask'], { env: { PAM_USER: '../etc' } })).outcome).toBe('denied bad-login-name')
  expect((await host.run(['ask'], { env: { PAM_SERVICE: 'cron' } })).outcome).toBe('denied service-unmapped')
  expect(host.seen).toEqual([])
})

const functional = `${settings}\nfunctional_accounts = login\n`
const atLogin = { PAM_USER: 'login' }
const opening = { ...atLogin, PAM_TYPE: 'open_session', SSH_AUTH_INFO_0: 'keyboard-interactive\n' }
const left = ({ world }: Host): readonly object[] =>
  [...world.disk].flatMap(([path, { data }]) =>
    /\/proven\/[^/]+\.json$/.test(path) ? [JSON.parse(new TextDecoder().decode(data))] : [],
  )
/** A web login at the functional account, which this person confirms. */
async function confirmedBy(host: Host, person: string): Promise<string> {
  expect((await host.run(['ask'], { env: atLogin })).outcome).toBe('allowed weblogin-asked')
  const code = host.service.confirm(host.handle(), person)
  return (await host.run(['check'], { env: atLogin, typed: code })).outcome
}

test('a functional account turns into who logged in on the web, when the configuration wants that', async () => {
  const closed = await start(functional)
  expect(await confirmedBy(closed, 'dwho')).toBe('denied weblogin-other-user')
  const host = await start(`${functional}functional_logins = true`)
  expect(await confirmedBy(host, 'dwho')).toBe('allowed weblogin-confirmed')
  expect(left(host)).toMatchObject([{ account: 'login', typed: 'dwho' }])
  expect((await host.run([], { env: opening })).outcome).toBe('allowed person-identified')
  expect(left(host)).toMatchObject([{ account: 'login', person: 'dwho' }])
})

test('on the web too, root, the account itself and whom the portal refuses become nobody', async () => {
  for (const name of ['root', 'login', 'Not A Name']) {
    const host = await start(`${functional}functional_logins = true`)
    const outcome = await confirmedBy(host, name)
    expect([name, outcome]).toEqual([name, expect.stringMatching(/^denied (person-refused|bad-login-name)$/)])
    expect(left(host)).toEqual([])
    // Nobody starts another login on this connection.
    expect((await host.run(['ask'], { env: atLogin })).outcome).toBe('denied weblogin-refused')
  }
  const host = await start(`${functional}functional_logins = true`)
  expect(await confirmedBy(host, 'msmith')).toBe('allowed weblogin-confirmed')
  expect((await host.run([], { env: opening })).outcome).toBe('denied portal-denied')
})

test('where the web shows the portal’s tokens, the token names the person', async () => {
  const host = await start('weblogin = llng\nfunctional_accounts = login\nfunctional_logins = true')
  const token = host.portal.control.mintToken({ user: 'dwho' })
  await host.run(['ask'], { env: atLogin })
  expect((await host.run(['check'], { env: atLogin, typed: token })).outcome).toBe('allowed token-accepted')
  expect(left(host)).toMatchObject([{ account: 'login', typed: 'dwho' }])
})
