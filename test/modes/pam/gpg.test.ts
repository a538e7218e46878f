// ob gpg ask and ob gpg check as pam_exec runs them, on a host in memory.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/pam/gpg.ts'
import { audited, type FakeWorld, fakeWorld, textOf } from '../../fakes/world.ts'
import { now, open, pair } from '../../gpg/keys.ts'

const files = async (config: string, user = 'alice') => ({
  '/etc/open-bastion/openbastion.conf': `portal_url = https://auth.example.test\n${config}`,
  [`/etc/open-bastion/gpg/${user}.asc`]: (await pair('curve25519')).armored,
  '/proc/uptime': '1000.00 1.00\n',
})

async function host(config = '', options: Parameters<typeof fakeWorld>[0] = {}): Promise<FakeWorld> {
  const world = fakeWorld({ now: now + 10, files: await files(config), ...options })
  for (const file of world.disk.values()) if (file.data.length > 200) file.mode = 0o644
  return world
}

const pam = { PAM_TYPE: 'auth', PAM_SERVICE: 'sshd', PAM_USER: 'alice', PAM_RHOST: '192.0.2.7' }
type Half = { readonly world: FakeWorld; readonly env?: Readonly<Record<string, string>>; readonly typed?: string }

async function run(half: 'ask' | 'check', { world, env = {}, typed = '' }: Half): Promise<string> {
  const stdin = (limit: number) => new TextEncoder().encode(typed).subarray(0, limit)
  const ending = await mode.run([half], { ...world, env: { ...pam, ...env }, stdin })
  return ending.kind === 'usage' ? 'usage' : `${ending.outcome.kind} ${ending.outcome.reason}\n${ending.text}`
}

const codeFrom = async (shown: string): Promise<string> => {
  const message = /-----BEGIN[\s\S]*END PGP MESSAGE-----/.exec(shown)?.[0] ?? ''
  return /^code (.*)$/m.exec(await open(message, 'curve25519'))?.[1] ?? ''
}

const first = (text: string): string => text.split('\n')[0] ?? ''
const records = (world: FakeWorld): readonly string[] =>
  [...world.disk.keys()].filter((path) => /^\/run\/open-bastion\/gpg\/[0-9a-f]/.test(path))

test('the record holds a hash and no code, for root alone, and is gone after one try', async () => {
  const world = await host()
  const code = await codeFrom(await run('ask', { world }))
  const [record = ''] = records(world)
  expect(world.disk.get(record)?.mode).toBe(0o600)
  expect(textOf(world, record)).not.toContain(code)
  expect(first(await run('check', { world, typed: code }))).toBe('allowed challenge-answered')
  expect(records(world)).toEqual([])
  expect(first(await run('check', { world, typed: code }))).toBe('denied challenge-missing')
})

test('a clock that is set back or forward changes nothing; the host’s uptime does', async () => {
  for (const [clock, uptime, expected] of [
    [-86_400, 1001, 'allowed challenge-answered'],
    [86_400, 1600, 'allowed challenge-answered'],
    [0, 1601, 'denied challenge-late'],
  ] as const) {
    const world = await host()
    const code = await codeFrom(await run('ask', { world }))
    world.clock.now += clock
    world.disk.get('/proc/uptime')!.data = new TextEncoder().encode(`${uptime}.00 1.00\n`)
    expect([clock, uptime, first(await run('check', { world, typed: code }))]).toEqual([clock, uptime, expected])
  }
})

test('another program that asks has another challenge', async () => {
  const world = await host()
  const other: FakeWorld = { ...world, callerSeed: () => 'boot 1 2' }
  const code = await codeFrom(await run('ask', { world }))
  expect(first(await run('check', { world: other, typed: code }))).toBe('denied challenge-missing')
  expect(first(await run('check', { world, typed: code }))).toBe('allowed challenge-answered')
})

test.each<readonly [string, string, Readonly<Record<string, string>>, string]>([
  ['another service', '', { PAM_SERVICE: 'cron' }, 'denied challenge-not-offered'],
  ['a name that nobody can have', '', { PAM_USER: 'a\nb' }, 'allowed challenge-shown'],
  ['a user without key', '', { PAM_USER: 'bob' }, 'allowed challenge-shown'],
  ['a user whom no list names', 'gpg_users = bob\n', {}, 'allowed challenge-shown'],
  [
    'under sudo the caller counts',
    '',
    { PAM_SERVICE: 'sudo', PAM_RUSER: 'bob', PAM_USER: 'root' },
    'allowed challenge-shown',
  ],
])('ask: %s', async (_name, config, env, expected) => {
  const world = await host(config)
  const shown = await run('ask', { world, env })
  expect(first(shown)).toBe(expected)
  // None of these is for alice, so her key opens none.
  if (expected.startsWith('allowed')) await expect(codeFrom(shown)).rejects.toThrow()
})

test('every refusal says the same', async () => {
  const texts = new Set<string>()
  for (const typed of ['', 'guess', '0000-0000-0000-0000', 'x'.repeat(511), '\b\n\r\u007fINCORRECT']) {
    const world = await host()
    await run('ask', { world })
    texts.add((await run('check', { world, typed })).split('\n').slice(1).join('\n'))
  }
  expect([...texts]).toEqual([expect.stringMatching(/^Access denied\. Each challenge has a code of its own/)])
})

test('the code is in no log', async () => {
  const world = await host()
  const code = await codeFrom(await run('ask', { world }))
  await run('check', { world, typed: code })
  const log = JSON.stringify([audited(world), world.logged])
  expect(log).toContain('challenge-answered')
  expect(log).not.toContain(code)
})

test('outside of an auth line, or without root, nothing is decided', async () => {
  const world = await host()
  expect(await run('ask', { world, env: { PAM_TYPE: 'account' } })).toBe('usage')
  expect(first(await run('check', { world: { ...world, userId: 1000 } }))).toBe('unavailable fault')
})
