// ob keys, ob principals, ob krl and ob service-account as modes, on a host in memory.
import { expect, test } from 'bun:test'
import { mode as nss } from '../../../modes/admin/nss.ts'
import { mode as serviceAccount } from '../../../modes/admin/service-account.ts'
import type { Mode } from '../../../modes/run/mode.ts'
import { mode as keys } from '../../../modes/sshd/keys.ts'
import { mode as principals } from '../../../modes/sshd/principals.ts'
import { mode as krl } from '../../../modes/timer/krl.ts'
import { Fault } from '../../../src/base/fault.ts'
import { formatEmptyList } from '../../../src/revocation/krl-format.ts'
import { caLine, certificateLine, listed, publicKeyLine } from '../../fakes/ssh-keys.ts'
import { audited, type FakeWorld, textOf } from '../../fakes/world.ts'
import { formatRevocations } from '../../portal/authority.ts'
import { enrolledHost, type Host } from '../host.ts'

const line = publicKeyLine('ed25519')
const bare = line.split(' ').slice(0, 2).join(' ')
const rsa = publicKeyLine('rsa2048').split(' ').slice(0, 2).join(' ')

type Said = { readonly outcome: string; readonly text: string }

async function run(mode: Mode, world: FakeWorld, ...args: readonly string[]): Promise<Said> {
  const ending = await mode.run(args, world)
  const outcome = ending.kind === 'outcome' ? `${ending.outcome.kind} ${ending.outcome.reason}` : 'usage'
  return { outcome, text: ending.text ?? '' }
}

const put = (world: FakeWorld, path: string, data: string | Uint8Array, mode = 0o644): void => {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  world.disk.set(path, { data: bytes, mode, uid: 0, gid: 0, modifiedAt: world.clock.now })
}

const alice = { PAM_USER: 'rtyler' }
const exported = '/var/lib/open-bastion/keys/rtyler'

async function logIn(host: Host): Promise<void> {
  expect((await host.phase('account', alice)).outcome).toBe('allowed portal-allowed')
}

test('an account phase keeps the keys that the portal exports, and takes them away again', async () => {
  const host = await enrolledHost()
  const exporting = (value: string | null) =>
    host.portal.control.setUser({ user: 'rtyler', attributes: { ssh_public_keys: value } })
  exporting(`${line}\nnonsense\n${rsa}`)
  await logIn(host)
  expect(host.world.disk.get(exported)?.mode).toBe(0o644)
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${bare}\n${rsa}\n`)
  exporting(rsa)
  await logIn(host)
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${rsa}\n`)
  exporting(null)
  await logIn(host)
  expect(textOf(host.world, exported)).toBeUndefined()
})

test('the copy says when the portal was heard, and is not written at every login', async () => {
  const host = await enrolledHost()
  host.portal.control.setUser({ user: 'rtyler', attributes: { ssh_public_keys: line } })
  await logIn(host)
  const first = textOf(host.world, exported)
  host.world.clock.now += 600
  await logIn(host)
  expect(textOf(host.world, exported)).toBe(first!)
  host.world.clock.now += 86_400
  await logIn(host)
  expect(textOf(host.world, exported)).not.toBe(first!)
})

test('a list of keys is taken as well as a text, and 32 of it', async () => {
  const host = await enrolledHost()
  const many = Array.from({ length: 40 }, () => rsa)
  host.portal.control.setUser({ user: 'rtyler', attributes: { ssh_public_keys: [...many, line] as never } })
  await logIn(host)
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${rsa}\n`)
})

test('ob nss add, refresh and sync learn the keys before the first login, but none for a local account', async () => {
  const host = await enrolledHost()
  const exporting = (user: string, value: string) =>
    host.portal.control.setUser({ user, attributes: { ssh_public_keys: value } })
  exporting('rtyler', line)
  exporting('admin', line)
  await run(nss, host.world, 'add', 'rtyler')
  await run(nss, host.world, 'add', 'admin')
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${bare}\n`)
  expect((await run(keys, host.world, 'admin')).text).toBe('')
  exporting('rtyler', rsa)
  await run(nss, host.world, 'refresh', 'rtyler')
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${rsa}\n`)
  exporting('rtyler', line)
  await run(nss, host.world, 'sync')
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${bare}\n`)
})

test('a login of a local account leaves no keys either, however its line begins', async () => {
  const host = await enrolledHost()
  put(host.world, '/etc/passwd', `root:x:0:0::/root:/bin/sh\n \trtyler:x:1001:1001::/home/rtyler:/bin/sh\n`)
  host.portal.control.setUser({ user: 'rtyler', attributes: { ssh_public_keys: line } })
  await logIn(host)
  expect((await run(keys, host.world, 'rtyler')).text).toBe('')
  // A name that only ends like it is another's.
  put(host.world, '/etc/passwd', 'root:x:0:0::/root:/bin/sh\nxrtyler:x:1001:1001::/home/x:/bin/sh\n')
  await logIn(host)
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${bare}\n`)
})

test('a sudo leaves no keys, and nobody’s keys are root’s', async () => {
  const host = await enrolledHost()
  host.portal.control.setUser({ user: 'rtyler', attributes: { ssh_public_keys: line } })
  await host.phase('account', { ...alice, PAM_SERVICE: 'sudo', PAM_RUSER: 'rtyler' })
  expect(textOf(host.world, exported)).toBeUndefined()
  put(host.world, '/var/lib/open-bastion/keys/root', `${bare}\n`)
  expect((await run(keys, host.world, 'root')).text).toBe('')
})

test('what is offered must be what sshd says it is', async () => {
  const host = await enrolledHost()
  put(host.world, '/etc/open-bastion/authorized_keys.d/rtyler', `${line}\n${rsa}\n`)
  const [type = '', blob = ''] = bare.split(' ')
  const fingerprint = 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
  expect((await run(keys, host.world, 'rtyler', type, blob)).text).toBe(`${bare}\n`)
  expect((await run(keys, host.world, 'rtyler', type, blob, fingerprint)).text).toBe('')
  expect((await run(keys, host.world, 'rtyler', type, 'AAAA')).text).toBe('')
  expect((await run(keys, host.world, 'rtyler', type, blob, 'x', 'y')).outcome).toBe('usage')
})

test('for a certificate sshd is told of the authority that root named, and of no plain key', async () => {
  const host = await enrolledHost()
  const authority = `cert-authority,principals="rtyler" ${caLine.split(' ').slice(0, 2).join(' ')}`
  put(host.world, '/etc/open-bastion/authorized_keys.d/rtyler', `${line}\n${authority}\n`)
  const offer = async (...options: readonly string[]) => {
    const [type = '', blob = ''] = certificateLine('ed25519', ['-I', 'id', ...options]).split(' ')
    return (await run(keys, host.world, 'rtyler', type, blob, listed('ed25519').fingerprint)).text
  }
  expect(await offer('-n', 'rtyler')).toBe(`${authority}\n`)
  expect(await offer()).toBe('')
  expect(await offer('-h', '-n', 'rtyler')).toBe('')
})

test('a source that is unsafe is left out, and syslog says which', async () => {
  const host = await enrolledHost()
  put(host.world, '/etc/open-bastion/authorized_keys.d/rtyler', `${line}\n`, 0o666)
  put(host.world, '/etc/open-bastion/service-accounts.d/rtyler.pub', `${rsa}\n`)
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${rsa}\n`)
  expect(host.world.logged.join()).toContain('/etc/open-bastion/authorized_keys.d/rtyler')
})

test('root leaves the key policy for ob keys, and only where there is one', async () => {
  const plain = await enrolledHost()
  await logIn(plain)
  expect(textOf(plain.world, '/var/lib/open-bastion/public.json')).toBeUndefined()
  const host = await enrolledHost({ config: 'ssh_key_policy_enabled = true\nssh_key_allowed_types = ed25519' })
  put(host.world, '/etc/open-bastion/authorized_keys.d/rtyler', `${line}\n${rsa}\n`)
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${bare}\n${rsa}\n`)
  await logIn(host)
  expect((await run(keys, host.world, 'rtyler')).text).toBe(`${bare}\n`)
  expect(textOf(host.world, '/var/lib/open-bastion/public.json')).not.toContain('pamsecret')
})

test('ob principals prints the login name or nothing', async () => {
  const host = await enrolledHost({ config: 'krl_max_age = 60' })
  const [, blob = ''] = certificateLine('ed25519', ['-I', 'id', '-z', '5', '-n', 'rtyler']).split(' ')
  const { fingerprint } = listed('ed25519')
  const asked = (user: string) => run(principals, host.world, user, 'id', '5', fingerprint, blob)
  expect(await asked('rtyler')).toEqual({ outcome: 'allowed principal-listed', text: 'rtyler\n' })
  expect((await asked('dwho')).text).toBe('')
  expect((await run(principals, host.world, 'rtyler')).outcome).toBe('usage')
  // Once root has left krl_max_age, a list that is missing or old says no.
  await logIn(host)
  expect((await asked('rtyler')).outcome).toBe('denied krl-stale')
  put(host.world, '/etc/ssh/revoked_keys', formatEmptyList())
  expect((await asked('rtyler')).outcome).toBe('allowed principal-listed')
  host.world.clock.now += 61
  expect((await asked('rtyler')).outcome).toBe('denied krl-stale')
})

// --- the revocation list -------------------------------------------------------------------------------------------

const krlPath = '/etc/ssh/revoked_keys'

async function hostWithList(body: () => Uint8Array | string, takes = 0): Promise<FakeWorld> {
  const { world } = await enrolledHost()
  const fetch = async () => {
    const data = body()
    return new Response(typeof data === 'string' ? data : Uint8Array.from(data), {
      headers: { 'content-type': typeof data === 'string' ? 'text/html' : 'application/octet-stream' },
    })
  }
  return { ...world, fetch, spawn: async () => ({ code: takes, stdout: '', stderr: 'not a list\n' }) }
}

const inPlace = (world: FakeWorld): string => world.disk.get(krlPath)?.data.toHex() ?? 'absent'

test('ob krl update writes a whole list that everybody may read', async () => {
  const list = formatRevocations([7n], 1_800_000_000)
  const world = await hostWithList(() => list)
  expect((await run(krl, world, 'update')).outcome).toBe('allowed krl-written')
  expect(inPlace(world)).toBe(list.toHex())
  expect(world.disk.get(krlPath)?.mode).toBe(0o644)
  expect(audited(world).map(({ event_type }) => event_type)).toEqual(['KRL_UPDATED'])
  // The same again changes its age and nothing else.
  world.clock.now += 100
  await run(krl, world, 'update')
  expect(world.disk.get(krlPath)?.modifiedAt).toBe(world.clock.now)
  expect(audited(world).length).toBe(1)
})

test('a portal that revoked nothing yet gives a whole list that revokes nothing, also over an empty file', async () => {
  const world = await hostWithList(() => new Uint8Array())
  put(world, krlPath, '')
  expect((await run(krl, world, 'update')).outcome).toBe('allowed krl-written')
  expect(inPlace(world)).toBe(formatEmptyList().toHex())
})

const present = formatRevocations([7n, 8n], 1_800_000_000)
const refusals: readonly (readonly [string, Uint8Array | string, string])[] = [
  ['older', formatRevocations([7n, 8n, 9n], 1_799_999_999), 'denied krl-refused'],
  ['empty', new Uint8Array(), 'denied krl-refused'],
  ['cut', present.subarray(0, -3), 'denied krl-refused'],
  ['cut to an empty one', present.subarray(0, formatEmptyList().length), 'denied krl-refused'],
  ['something else', new TextEncoder().encode('ssh-ed25519 AAAA'), 'denied krl-refused'],
  ['a page', '<html>', 'unavailable portal-garbled'],
]
test.each(refusals)('a list that is %s does not take the place of the present one', async (_, body, expected) => {
  const world = await hostWithList(() => body)
  put(world, krlPath, present)
  expect((await run(krl, world, 'update')).outcome).toBe(expected)
  expect(inPlace(world)).toBe(present.toHex())
  expect(audited(world).length).toBe(1)
})

test('a list of a large site is taken, and one too large for this program alarms', async () => {
  const many = formatRevocations(
    Array.from({ length: 40_000 }, (_, at) => BigInt(at)),
    1_800_000_000,
  )
  expect(many.length).toBeGreaterThan(262_144)
  const world = await hostWithList(() => many)
  put(world, krlPath, present)
  expect((await run(krl, world, 'update')).outcome).toBe('allowed krl-written')
  const huge = await hostWithList(() => new Uint8Array((16 << 20) + 1))
  put(huge, krlPath, present)
  expect((await run(krl, huge, 'update')).outcome).toBe('denied krl-refused')
  expect(audited(huge).map(({ event_type }) => event_type)).toEqual(['SECURITY_ERROR'])
})

test('an empty list takes the place of another when the administrator says so', async () => {
  const world = await hostWithList(() => new Uint8Array())
  put(world, krlPath, present)
  expect((await run(krl, world, 'update', '--allow-empty')).outcome).toBe('allowed krl-written')
  expect(inPlace(world)).toBe(formatEmptyList().toHex())
})

test('a list that OpenSSH itself does not take is refused', async () => {
  const world = await hostWithList(() => present, 255)
  expect((await run(krl, world, 'update')).outcome).toBe('denied krl-refused')
  expect(inPlace(world)).toBe('absent')
})

test('ob krl status says what is there', async () => {
  const world = await hostWithList(() => present)
  expect((await run(krl, world, 'status')).text).toContain('does not exist')
  put(world, krlPath, present)
  world.clock.now += 7200
  expect((await run(krl, world, 'status')).text).toContain('fetched 120 min ago')
})

// --- service accounts ----------------------------------------------------------------------------------------------

const conf = '/etc/open-bastion/service-accounts.conf'

async function hostWithKey(config = '') {
  const host = await enrolledHost({ config })
  put(host.world, '/root/collector.pub', `${line}\n`)
  return host
}

test('ob service-account add writes the section, the key and the account, and keeps what was there', async () => {
  const { world } = await hostWithKey()
  put(world, conf, '# by hand\n', 0o600)
  expect(
    (await run(serviceAccount, world, 'add', 'collector', '--key', '/root/collector.pub', '--uid', '20001')).outcome,
  ).toBe('allowed done')
  expect(textOf(world, conf)).toStartWith('# by hand\n\n[collector]\nkey_fingerprint = SHA256:')
  expect(world.disk.get(conf)?.mode).toBe(0o600)
  expect(textOf(world, '/etc/open-bastion/service-accounts.d/collector.pub')).toBe(`${bare} collector\n`)
  expect(textOf(world, '/var/lib/extrausers/passwd')).toContain('collector:x:20001:20001::/home/collector:')
  expect((await run(keys, world, 'collector')).text).toBe(`${bare}\n`)
  await run(serviceAccount, world, 'remove', 'collector')
  expect(textOf(world, conf)).toBe('# by hand\n')
  expect(textOf(world, '/var/lib/extrausers/passwd')).not.toContain('collector')
  expect((await run(keys, world, 'collector')).text).toBe('')
})

const impossible: readonly (readonly [string, readonly string[]])[] = [
  ['a shell that is not approved', ['--shell', '/opt/sh']],
  ['a home elsewhere', ['--home', '/root/x']],
  ['a reserved uid', ['--uid', '999']],
  ['a uid that is none', ['--uid', 'many']],
]
test.each(impossible)('ob service-account add refuses %s and writes nothing', async (_, words) => {
  const { world } = await hostWithKey()
  const done = run(serviceAccount, world, 'add', 'collector', '--key', '/root/collector.pub', ...words)
  await expect(done).rejects.toBeInstanceOf(Fault)
  expect(textOf(world, conf)).toBeUndefined()
  expect(textOf(world, '/etc/open-bastion/service-accounts.d/collector.pub')).toBeUndefined()
})

test('an account that is there is not added twice, and root never', async () => {
  const { world } = await hostWithKey()
  const add = (name: string) => run(serviceAccount, world, 'add', name, '--key', '/root/collector.pub')
  await add('collector')
  const before = textOf(world, conf)
  await expect(add('collector')).rejects.toThrow('is there already')
  await expect(add('root')).rejects.toThrow('root cannot be')
  expect(textOf(world, conf)).toBe(before!)
})

test('a uid that somebody has is not given to a service account, and its own never changes', async () => {
  const { world } = await hostWithKey()
  const add = (name: string, uid: string) =>
    run(serviceAccount, world, 'add', name, '--key', '/root/collector.pub', '--uid', uid)
  // 1000 is a local account's.
  expect((await add('collector', '1000')).text).toContain('belongs to somebody else')
  await run(serviceAccount, world, 'remove', 'collector')
  expect((await add('collector', '20001')).outcome).toBe('allowed done')
  await run(serviceAccount, world, 'remove', 'collector')
  expect((await add('collector', '20002')).text).toContain('ids never change')
})

test('a person of the portal does not become the service account that was removed', async () => {
  const host = await hostWithKey()
  await run(serviceAccount, host.world, 'add', 'rtyler', '--key', '/root/collector.pub')
  await run(serviceAccount, host.world, 'remove', 'rtyler')
  await logIn(host)
  const opened = await host.phase('open_session', { ...alice, SSH_AUTH_INFO_0: 'password\n' })
  expect(opened.outcome).toBe('denied account-impossible')
})

test('a file of service accounts that others may read stops every login, and the log names it', async () => {
  const host = await hostWithKey()
  put(host.world, conf, '[collector]\n', 0o644)
  expect((await host.phase('account', alice)).outcome).toBe('unavailable fault')
  expect(String(audited(host.world).at(-1)?.['details'])).toContain(conf)
})

test('ob service-account check finds orphans, other keys and errors', async () => {
  const { world } = await hostWithKey()
  await run(serviceAccount, world, 'add', 'collector', '--key', '/root/collector.pub')
  put(world, '/etc/open-bastion/service-accounts.d/collector.pub', `${rsa}\n`)
  put(world, '/etc/open-bastion/service-accounts.d/orphan.pub', `${rsa}\n`)
  put(world, conf, `${textOf(world, conf)}[odd]\nkey_fingerprint = MD5:aa\n`, 0o600)
  const { outcome, text } = await run(serviceAccount, world, 'check')
  expect(outcome).toBe('denied found-problems')
  for (const told of ['orphan.pub', 'collector.pub: the key is not', 'line 4: key_fingerprint must be'])
    expect(text).toContain(told)
})

test('a service account logs in with its key while the portal is away, and its portal namesake is not asked about', async () => {
  const host = await hostWithKey()
  await run(serviceAccount, host.world, 'add', 'collector', '--key', '/root/collector.pub', '--sudo')
  host.portal.control.fault({ kind: 'reset' })
  const collector = { PAM_USER: 'collector' }
  const proven = (text: string) => host.phase('open_session', { ...collector, SSH_AUTH_INFO_0: text })
  expect((await host.phase('auth', collector, 'guess')).outcome).toBe('denied service-account-key-only')
  expect((await host.phase('account', collector)).outcome).toBe('allowed service-account-allowed')
  expect((await proven(`publickey ${bare}\n`)).outcome).toBe('allowed service-account-opened')
  expect((await proven(`publickey ${rsa}\n`)).outcome).toBe('denied service-account-other-key')
  expect((await proven('password\n')).outcome).toBe('denied service-account-key-only')
  expect((await proven('')).outcome).toBe('denied no-proof')
  const sudo = { PAM_SERVICE: 'sudo', PAM_USER: 'collector', PAM_RUSER: 'collector' }
  expect((await host.phase('account', sudo)).outcome).toBe('allowed service-account-sudo')
  expect(host.portal.control.requests()).toEqual([])
})

test('a service account does not get into a session with another uid than its own', async () => {
  const host = await hostWithKey()
  const key = listed('ed25519').fingerprint
  put(host.world, conf, `[collector]\nkey_fingerprint = ${key}\nuid = 20500\n`, 0o600)
  const connection = host.world.connectionSeed().split(' ')[1]
  // ob serve has told sshd of a name that it knew from nowhere.
  put(host.world, `/run/open-bastion/promises/20600.${connection}.collector`, '', 0o600)
  const collector = { PAM_USER: 'collector' }
  const opened = await host.phase('open_session', { ...collector, SSH_AUTH_INFO_0: `publickey ${bare}\n` })
  expect(opened.outcome).toBe('denied newcomer-registered')
})

test('a name whose section header has something behind it is refused, and its portal namesake not asked about', async () => {
  const host = await hostWithKey()
  const account = (user: string) => host.phase('account', { PAM_USER: user })
  put(host.world, conf, `[rtyler] for backups\nkey_fingerprint = ${listed('ed25519').fingerprint}\n`, 0o600)
  expect((await account('rtyler')).outcome).toBe('denied service-account-broken')
  put(host.world, conf, '# [rtyler] was removed\n', 0o600)
  expect((await account('rtyler')).outcome).toBe('allowed portal-allowed')
})

test('no key and no certificate counts for a second name of root', async () => {
  const { world } = await enrolledHost()
  put(world, '/etc/open-bastion/authorized_keys.d/toor', `${line}\n`)
  expect((await run(keys, world, 'toor')).text).toBe(`${bare}\n`)
  const [, blob = ''] = certificateLine('ed25519', ['-I', 'id', '-z', '5', '-n', 'toor']).split(' ')
  const certified = () => run(principals, world, 'toor', 'id', '5', listed('ed25519').fingerprint, blob)
  expect((await certified()).text).toBe('toor\n')
  put(world, '/etc/passwd', `${textOf(world, '/etc/passwd')}toor:x:00:0::/root:/bin/sh\n`)
  expect((await run(keys, world, 'toor')).outcome).toBe('denied no-keys')
  expect(world.logged.join()).toContain('no key counts for toor, a second name for root')
  expect((await certified()).outcome).toBe('denied no-principal')
})
