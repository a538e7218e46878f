// The audit log as ob why finds it after a bad day.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/why.ts'
import { formatAuditLine, reference } from '../../../src/audit/event-format.ts'
import { fakeWorld, textOf } from '../../fakes/world.ts'
import { configText, enrolledHost } from '../host.ts'

const line = (outcome: string): string =>
  formatAuditLine({
    timestamp: 1_790_000_000,
    event_type: 'AUTHZ_DENIED',
    correlation_id: '0'.repeat(36),
    host: 'host1',
    user: 'alice',
    result_code: 4,
    reason: 'portal-denied',
    details: 'because \u202e of \u001b[31m that',
    more: { outcome },
  })

async function explained(log: Uint8Array): Promise<string> {
  const world = fakeWorld({
    files: { '/etc/open-bastion/openbastion.conf': 'portal_url = https://auth.example.test\n' },
  })
  const file = { data: log, mode: 0o640, uid: 0, gid: 0, modifiedAt: 0 }
  world.disk.set('/var/log/open-bastion/audit.json', file)
  const ending = await mode.run(['alice', '--last'], world)
  return ending.text ?? ''
}

test('a letter that was cut in two on a full disk spoils one line and not the log', async () => {
  const log = Buffer.concat([Buffer.from(`${line('denied')}\n{"timestamp":"20`), Buffer.from([0xe2, 0x80, 10])])
  expect(await explained(log)).toContain('alice, service ?: denied (portal-denied)')
})

test('nothing in a line of the log can steer the terminal', async () => {
  expect(await explained(Buffer.from(`${line('\u001b[2J\u202e')}\n`))).not.toMatch(/[^\n -~’…]/)
})

/** A public key of OpenSSH's wire format with a fixed value (RFC 8709 §4). */
const ed25519Blob = (): string => {
  const type = 'ssh-ed25519'
  const body = Buffer.alloc(4 + type.length + 4 + 32, 7)
  body.writeUInt32BE(type.length, 0)
  body.write(type, 4)
  body.writeUInt32BE(32, 4 + type.length)
  return body.toString('base64')
}

const foreseen = async (...args: readonly string[]) => {
  const host = await enrolledHost()
  const before = [...host.world.disk.keys()].sort()
  const ending = await mode.run(['rtyler', ...args], host.world)
  // A dry run leaves nothing behind.
  expect([...host.world.disk.keys()].sort()).toEqual(before)
  return (ending.text ?? '').split('\n').map((line) => line.trim())
}

test('each phase is decided by the policy of that phase, and nothing is made', async () => {
  expect((await foreseen())[0]).toBe('rtyler, service sshd, phase account: allowed (portal-allowed)')
  const auth = await foreseen('--phase', 'auth')
  expect(auth[0]).toBe('rtyler, service sshd, phase auth: allowed (token-accepted)')
  expect(auth.join()).toContain('assumed  that the portal accepts what is typed as a token of this user')
  expect((await foreseen('--phase', 'session'))[0]).toBe(
    'rtyler, service sshd, phase session: allowed (session-opened)',
  )
})

test('auth that the configuration refuses is refused without any assumption', async () => {
  const host = await enrolledHost({ config: 'authorize_only = true' })
  const { text } = await mode.run(['rtyler', '--phase', 'auth'], host.world)
  expect(text).toContain('denied (authorize-only)')
  expect(text).not.toContain('assumed')
})

test('a session is foreseen with the key that will prove the user', async () => {
  const key = 'ssh-dss AAAAB3NzaC1kc3MAAAAA'
  const host = await enrolledHost({ files: { '/tmp/id.pub': `${key}\n` } })
  const none = await mode.run(['rtyler', '--phase', 'session', '--key', '/tmp/id.pub'], host.world)
  expect(none).toEqual({ kind: 'usage', text: '/tmp/id.pub holds no public key or certificate' })
  const small = await enrolledHost({
    config: 'ssh_key_policy_enabled = true\nssh_key_allowed_types = rsa',
    files: { '/tmp/id.pub': `ssh-ed25519 ${ed25519Blob()} alice\n` },
  })
  const { text } = await mode.run(['rtyler', '--phase', 'session', '--key', '/tmp/id.pub'], small.world)
  expect(text).toContain('phase session: denied (key-policy)')
})

test('an unknown phase is named with the ones there are', async () => {
  const host = await enrolledHost()
  const ending = await mode.run(['rtyler', '--phase', 'open'], host.world)
  expect(ending).toEqual({ kind: 'usage', text: '"open" is no phase; the phases are auth, account and session' })
})

test('a wrong server_group is named with what the portal said, and nobody is sent to enroll again', async () => {
  const host = await enrolledHost({ serverGroups: { 'pam-access': 'frontend' } })
  const { text = '' } = await mode.run(['rtyler'], host.world)
  expect(text).toContain("Server 'pam-access' is not authorized for server_group 'backend'")
  expect(text).toMatch(/remedy {3}set server_group in openbastion.conf to the group of this client_id/)
  expect(text).not.toContain('enroll')
  const stranger = await enrolledHost({ serverGroups: { other: 'backend' } })
  expect((await mode.run(['rtyler'], stranger.world)).text).toMatch(/remedy {3}give client_id of this host a group/)
})

test('a host without server_group names none, and the portal takes the group it knows', async () => {
  const host = await enrolledHost({ serverGroups: { 'pam-access': 'backend' } })
  host.world.files.writeAtomic(
    '/etc/open-bastion/openbastion.conf',
    configText('create_user = true').replace('server_group = backend', ''),
    { mode: 0o600 },
  )
  expect((await mode.run(['rtyler'], host.world)).text).toContain('allowed (portal-allowed)')
  const [asked] = host.portal.control.requests({ path: '/pam/authorize' })
  expect(JSON.parse(asked?.body ?? '')).toEqual({ user: 'rtyler', host: 'host1', service: 'sshd' })
})

test('a user whom the portal does not know is no matter of its rules', async () => {
  const host = await enrolledHost()
  const unknown = (await mode.run(['nobody'], host.world)).text ?? ''
  expect(unknown).toContain('denied (portal-denied)')
  expect(unknown).toContain('remedy   the portal knows no such user: check the name, or add the user there')
  host.portal.control.setRules({ group: 'backend', ssh: false })
  expect((await mode.run(['msmith'], host.world)).text).toContain('remedy   change the ssh rule of this server group')
})

test('every refusal of one connection has its reference, the last one first', async () => {
  const host = await enrolledHost()
  await host.phase('auth', { PAM_USER: 'rtyler' }, 'never')
  await host.phase('auth', { PAM_USER: 'rtyler' }, '0'.repeat(64))
  const log = textOf(host.world, '/var/log/open-bastion/audit.json') ?? ''
  const ref = reference(JSON.parse(log.split('\n')[0] ?? '').correlation_id)
  const { text = '' } = await mode.run(['--ref', ref], host.world)
  expect(text.split('\n').filter((line) => line.startsWith('rtyler'))).toEqual([
    'rtyler, service sshd: denied (token-rejected)',
    'rtyler, service sshd: denied (not-a-token)',
  ])
  const json = JSON.parse((await mode.run(['--ref', ref, '--json'], host.world)).text ?? '')
  expect([json.reason, json.earlier.map(({ reason }: { reason: string }) => reason)]).toEqual([
    'token-rejected',
    ['not-a-token'],
  ])
})

test('a reference that is not there is no success; a user who was never refused is one', async () => {
  const host = await enrolledHost()
  await host.phase('auth', { PAM_USER: 'rtyler' }, '0'.repeat(64))
  const kind = async (...args: readonly string[]) => {
    const ending = await mode.run(args, host.world)
    return ending.kind === 'outcome' ? ending.outcome.kind : ending.kind
  }
  expect([await kind('--ref', '00000000'), await kind('dwho', '--last'), await kind('rtyler', '--last')]).toEqual([
    'denied',
    'allowed',
    'denied',
  ])
})

test.each([
  ['extrausers', 'ob nss export, then ob doctor'],
  ['userdb', 'systemctl restart ob-serve; and nsswitch.conf must name systemd for passwd, then ob doctor'],
])('an account that NSS does not find is mended where accounts are: %s', async (target, remedy) => {
  const host = await enrolledHost({ config: `create_user_target = ${target}` })
  await host.phase('open_session', { PAM_USER: 'rtyler', SSH_AUTH_INFO_0: 'password\n' })
  const { text } = await mode.run(['rtyler'], host.world)
  expect(text).toContain(`in the registry, but NSS does not find it: ${remedy}`)
})

test('with create_user_target = userdb a second connection helps nobody while ob serve is away', async () => {
  const host = await enrolledHost({ config: 'create_user_target = userdb' })
  expect((await mode.run(['rtyler'], host.world)).text).toContain('none yet, and ob serve is away')
})
