// ob gpg for administrators: what is stored, what is refused and how that is said.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/gpg.ts'
import { Fault } from '../../../src/base/fault.ts'
import { type FakeWorld, fakeWorld, textOf } from '../../fakes/world.ts'
import { now, open, pair, publicKey, revoked, secretKey } from '../../gpg/keys.ts'

const stored = '/etc/open-bastion/gpg/alice.asc'
const config = { '/etc/open-bastion/openbastion.conf': 'portal_url = https://auth.example.test\n' }

const host = (options: Parameters<typeof fakeWorld>[0] = {}): FakeWorld =>
  fakeWorld({ now: now + 10, spawn: () => ({ code: 0 }), ...options, files: { ...config, ...options.files } })

async function run(world: FakeWorld, ...args: readonly string[]): Promise<string> {
  try {
    const ending = await mode.run(args, world)
    if (ending.kind === 'usage') return `usage: ${ending.text}`
    return `${ending.outcome.kind}: ${ending.text}`
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return `fault: ${error.message}; ${error.hint}`
  }
}

test('a key is stored, listed, checked and removed', async () => {
  const world = host({ stdin: await publicKey('curve25519') })
  const fingerprint = (await pair('curve25519')).secret.getFingerprint().toUpperCase()
  expect(await run(world, 'add', 'alice', '-')).toContain(`${fingerprint}  curve25519Legacy  does not expire`)
  expect(world.disk.get(stored)).toMatchObject({ mode: 0o644, uid: 0 })
  expect(await run(world, 'list')).toContain(`alice\n  ${fingerprint}`)
  expect(await run(world, 'check', 'alice')).toStartWith('allowed: alice')
  expect(await run(world, 'remove', 'alice', '0'.repeat(40))).toStartWith('denied: ')
  expect(await run(world, 'remove', 'alice', fingerprint)).toStartWith('allowed: removed; 0 left')
  expect(textOf(world, stored)).toBeUndefined()
  expect(await run(world, 'remove', 'alice')).toStartWith('denied: alice has no such key')
})

test('several keys: each is added once', async () => {
  const files = {
    '/tmp/one': (await pair('curve25519')).armored,
    '/tmp/two': (await pair('nist p-256')).armored + (await pair('curve25519')).armored,
  }
  const world = host({ files })
  await run(world, 'add', 'alice', '/tmp/one')
  await run(world, 'add', 'alice', '/tmp/two')
  await run(world, 'add', 'alice', '/tmp/two')
  const [row] = JSON.parse((await run(world, 'list', '--json')).replace('allowed: ', ''))
  expect(row.keys.length).toBe(2)
})

test('a secret key is refused loudly, and nothing of it is anywhere', async () => {
  const world = host({ stdin: await secretKey() })
  const before = [...world.disk.keys()]
  expect(await run(world, 'add', 'alice', '-')).toMatch(/^fault: .*THIS IS A SECRET KEY\. Nothing of it was stored/)
  expect([...world.disk.keys()]).toEqual(before)
})

test.each<readonly [string, () => Promise<Uint8Array | string>, RegExp]>([
  ['an expired key', () => publicKey('expired'), /is refused: it is expired; the owner extends it/],
  ['a revoked key', revoked, /is refused: its owner revoked it/],
  ['RSA of 1024 bits', () => publicKey('rsa1024'), /is refused: its RSA key has less than 2048 bits/],
  ['a key for signing only', () => publicKey('for signing only'), /is refused: it has no key for encryption/],
  ['a web page', async () => '<html>', /there is no OpenPGP public key in it; export one/],
  ['a key ring of a megabyte', async () => 'x'.repeat(1 << 20), /standard input is larger than 256 KiB/],
])(
  '%s is refused with reason and remedy',
  async (_name, bytes, expected) => {
    const world = host({ stdin: await bytes() })
    expect(await run(world, 'add', 'alice', '-')).toMatch(expected)
    expect(textOf(world, stored)).toBeUndefined()
  },
  20_000,
)

test('a file that is not there is named', async () => {
  expect(await run(host(), 'add', 'alice', '/tmp/nothing')).toStartWith('fault: /tmp/nothing does not exist')
})

test('a user id cannot steer the terminal', async () => {
  const { armored } = await pair('curve25519', 'a\u001b[2J\nb\u202e')
  const shown = await run(host({ stdin: armored }), 'add', 'alice', '-')
  expect(shown).toContain('a?[2J?b?')
  expect(shown).not.toMatch(/[\u001b\u202e]/)
})

test('check names what keeps a user from answering', async () => {
  const world = host({ spawn: ([program]) => ({ code: program === 'getent' ? 2 : 0 }) })
  expect(await run(world, 'check', 'alice')).toMatch(
    /^denied: alice\nalice has no .*alice\.asc; run: ob gpg add alice FILE/,
  )
  expect(await run(world, 'check', 'alice')).toContain('alice has no account on this host')
  const listed = {
    '/etc/open-bastion/openbastion.conf': `${config['/etc/open-bastion/openbastion.conf']}gpg_users = bob\n`,
  }
  expect(await run(host({ files: listed }), 'check', 'alice')).toContain('gpg_users and gpg_groups do not name alice')
})

test('check says so when sshd hangs up before the challenge ends', async () => {
  const world = host({ spawn: ([, flag]) => ({ code: 0, stdout: flag === '-T' ? 'logingracetime 120\n' : '' }) })
  expect(await run(world, 'check', 'alice')).toContain('note: sshd ends a login after 120 s (LoginGraceTime)')
})

test('a challenge can be tried without a login', async () => {
  const world = host({ files: { [stored]: (await pair('curve25519')).armored } })
  world.disk.set(stored, { ...world.disk.get(stored)!, mode: 0o644 })
  let typed = 'guess'
  const person: FakeWorld = {
    ...world,
    hiddenInput: async () => {
      const message = /-----BEGIN[\s\S]*END PGP MESSAGE-----/.exec(world.printed.out)?.[0] ?? ''
      const code = /^code (.*)$/m.exec(await open(message, 'curve25519'))?.[1] ?? ''
      return new TextEncoder().encode(typed === 'right' ? code : typed)
    },
  }
  expect(await run(person, 'test', 'alice')).toStartWith('denied: wrong')
  world.printed.out = ''
  typed = 'right'
  expect(await run(person, 'test', 'alice')).toStartWith('allowed: right')
  expect([...world.disk.keys()].filter((path) => path.startsWith('/run/'))).toEqual([])
})

test.each([
  [['ask'], 'ask is what pam_exec runs'],
  [['list', 'alice'], 'list takes no user'],
  [['add', 'alice'], 'add needs a file'],
  [['add', '../x', '-'], 'add needs a name'],
  [['remove', 'alice', 'zoe@example.org'], 'a fingerprint is'],
  [['check'], 'check needs a user'],
  [['check', 'alice', 'x'], 'check takes a user and nothing else'],
  [['steal'], '"steal" is not'],
])('ob gpg %p', async (args, expected) => {
  expect(await run(host(), ...args)).toStartWith(`usage: ${expected}`)
})
