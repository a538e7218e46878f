// Files that somebody changed, as the C implementation's vectors list them. It answered some of them all the same; each
// such case is named here with the reason why this program does not.
import { expect, test } from 'bun:test'
import { concat, hex, hmacSha256, utf8 } from '../../src/base/bytes.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { Secret } from '../../src/base/secret.ts'
import { checkConfig } from '../../src/config/load.ts'
import { authSalt, openAuthCache } from '../../src/offline/grants.ts'
import { authCacheFileName } from '../../src/offline/grants-format.ts'
import { openInventory } from '../../src/offline/inventory.ts'
import { passwordCode } from '../../src/offline/password-policy.ts'
import { openOfflinePasswords, passwordSalt } from '../../src/offline/passwords.ts'
import { openTokenCache, tokenSalt } from '../../src/offline/tokens.ts'
import { tokenCacheFileName } from '../../src/offline/tokens-format.ts'
import { seal } from '../../src/secrets/sealed-format.ts'
import { argon2 } from '../fakes/argon2.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'
import grants from '../vectors/auth-cache.json'
import passwords from '../vectors/offline-cache.json'
import tokens from '../vectors/token-cache.json'

const checked = checkConfig('portal_url = https://auth.example.test\n')
if (checked.kind === 'refused') throw new Error('the configuration of this test is refused')
const { config } = checked

type Bytes = Uint8Array<ArrayBuffer>
type Damage = (file: Bytes) => Bytes | Promise<Bytes>

const iv = new Uint8Array(12).fill(7)
const untouched: Damage = (file) => file
const flipAt =
  (index: number): Damage =>
  (file) =>
    file.map((byte, at) => (at === (index < 0 ? file.length + index : index) ? byte ^ 1 : byte))
const append =
  (text: string | Uint8Array): Damage =>
  (file) =>
    concat(file, typeof text === 'string' ? utf8(text) : text)
const cut =
  (length: number): Damage =>
  (file) =>
    file.slice(0, length)
const headed =
  (line: string): Damage =>
  (file) =>
    concat(utf8(line), file.slice(file.indexOf(0x0a) + 1))
const replaced =
  (from: string, to: string): Damage =>
  (file) => {
    const at = Buffer.from(file).indexOf(from)
    return concat(file.slice(0, at), utf8(to), file.slice(at + from.length))
  }

/** The damage of each vector; one that is missing here fails its test. */
const damageOf = (damages: Readonly<Record<string, Damage>>, name: string): Damage => {
  const damage = damages[name]
  if (!damage) throw new Error(`this test does not know how ${name} is damaged`)
  return damage
}

function put(world: FakeWorld, path: string, data: Uint8Array): void {
  world.disk.set(path, { data: Uint8Array.from(data), mode: 0o600, uid: 0, gid: 0, modifiedAt: world.clock.now })
}

const [grantSet] = grants.sets
const grantKey = Uint8Array.fromHex(grantSet!.derived_key_hex)
const grantEnd = '3780000000'
const grantCode = hex(hmacSha256(grantKey, grantEnd))

const grantDamages: Readonly<Record<string, Damage>> = {
  control: untouched,
  'header-hmac-wrong': headed(`${grantEnd} ${'0'.repeat(64)}\n`),
  'header-past-with-wrong-hmac': headed(`1700000000 ${'0'.repeat(64)}\n`),
  'header-130-chars': headed(`${grantEnd} ${'0'.repeat(119)}\n`),
  'tag-flipped': flipAt(-1),
  'magic-LLNGCACHE03': replaced('LLNGCACHE04', 'LLNGCACHE03'),
  empty: cut(0),
  'other-machine-id': untouched,
  'salt-missing': untouched,
}
const grantDifferences: Readonly<Record<string, string>> = {
  'header-hmac-wrong': 'a line that is not authentic is not believed',
  'header-past-with-wrong-hmac': 'a line that is not authentic is not believed',
  'header-130-chars': 'a line that is not authentic is not believed',
  'json-no-v': 'an entry without a version is none',
  'json-no-user': 'an entry that names nobody is nobody’s',
  'json-no-authorized': 'a permission that is absent is none',
  'json-trailing-garbage': 'what is no JSON is no entry',
}

test.each(grants.tampered)(
  'a cached permission: $name',
  async ({ name, user, host, server_group, clock, ...vector }) => {
    const world = fakeWorld({ now: clock, files: { '/etc/machine-id': vector.machine_id_file } })
    if (name !== 'salt-missing')
      put(world, `${config.auth_cache_dir}/${authSalt}`, Uint8Array.fromHex(grantSet!.salt_hex))
    const file = authCacheFileName({ user, host, group: server_group })
    const written = Uint8Array.fromHex(grantSet!.entries.find((entry) => entry.file === file)!.file_bytes_hex!)
    const crafted = 'crafted_plaintext' in vector ? vector.crafted_plaintext : undefined
    const data =
      crafted === undefined
        ? await damageOf(grantDamages, name)(written)
        : concat(utf8(`${grantEnd} ${grantCode}\nLLNGCACHE04`), await seal(grantKey, utf8(crafted), { iv }))
    put(world, `${config.auth_cache_dir}/${file}`, data)
    const found = await openAuthCache(world, config).lookup({ user: parseLoginName(user)!, host, group: server_group })
    expect([name, found.kind === 'hit']).toEqual([name, vector.expect_hit && !(name in grantDifferences)])
  },
)

const tokenSet = tokens.sets.find(({ name }) => name === 'encrypted')!
const tokenDamages: Readonly<Record<string, Damage>> = {
  control: untouched,
  'header-later': headed('3790000000\n'),
  'header-earlier-but-valid': headed('3770000000\n'),
  'header-number-then-text': headed('3780000000 and more\n'),
  'header-leading-space': headed(' 3780000000\n'),
  'header-missing': (file) => file.slice(file.indexOf(0x0a) + 1),
  'tag-flipped': flipAt(-1),
  'magic-LLNGCACHE01': replaced('LLNGCACHE02', 'LLNGCACHE01'),
  truncated: (file) => file.slice(0, -1),
  'header-only': (file) => file.slice(0, file.indexOf(0x0a) + 1),
  'appended-byte': append('x'),
  'other-machine-id': untouched,
  'plaintext-forged': () => utf8('3780000000\n3780000000 1 alice\n'),
  'plaintext-forged-denied': () => utf8('3780000000\n3780000000 0 alice\n'),
  'plaintext-authorized-2': () => utf8('3780000000\n3780000000 2 alice\n'),
  'plaintext-two-fields': () => utf8('3780000000\n3780000000 1\n'),
  'plaintext-trailing': () => utf8('3780000000\n3780000000 1 alice and more\n'),
}
const tokenDifferences: Readonly<Record<string, string>> = {
  'header-number-then-text': 'a first line is a number and nothing else',
  'header-leading-space': 'a first line is a number and nothing else',
  'plaintext-forged': 'anybody could have written what is not sealed',
  'plaintext-forged-denied': 'anybody could have written what is not sealed',
  'plaintext-authorized-2': 'anybody could have written what is not sealed',
  'plaintext-trailing': 'anybody could have written what is not sealed',
}

test.each(tokens.tampered)('a cached token: $name', async ({ name, token, user, clock, ...vector }) => {
  const world = fakeWorld({ now: clock, files: { '/etc/machine-id': vector.machine_id_file } })
  put(world, `${config.cache_dir}/${tokenSalt}`, Uint8Array.fromHex(tokenSet.salt_hex!))
  const file = tokenCacheFileName(token, user)
  const written = Uint8Array.fromHex(tokenSet.entries.find((entry) => entry.file === file)!.file_bytes_hex!)
  put(world, `${config.cache_dir}/${file}`, await damageOf(tokenDamages, name)(written))
  const found = await openTokenCache(world, config).lookup(new Secret(token), parseLoginName(user)!)
  const isHit = vector.expect_hit && !(name in tokenDifferences)
  expect([name, found.kind === 'hit']).toEqual([name, isHit])
  if (found.kind === 'hit') expect(found.authorized).toBe(vector.authorized!)
})

const [passwordSet] = passwords.sets
const passwordKey = Uint8Array.fromHex(passwordSet!.derived_key_hex)
const passwordDamages: Readonly<Record<string, Damage>> = {
  'control-untouched': untouched,
  'tag-last-byte-flipped': flipAt(-1),
  'ciphertext-byte-flipped': flipAt(40),
  'magic-lowercase': replaced('OBCRED01', 'obcred01'),
  'empty-file': cut(0),
  'magic-only-8-bytes': cut(8),
  'truncated-by-one': (file) => file.slice(0, -1),
  'one-byte-appended': append('x'),
  'newline-appended': append('\n'),
  'exactly-1MiB-padded': (file) => append(new Uint8Array(1024 * 1024 - file.length))(file),
  'other-machine-id': untouched,
  'salt-15-bytes': untouched,
  'salt-with-trailing-newline': untouched,
}

// Another number, for one and the same end: nobody gets in.
const passwordDifferences: Readonly<Record<string, { readonly code: number; readonly why: string }>> = {
  'magic-only-8-bytes': { code: passwordCode.unreadable, why: 'a seal without content is a broken seal' },
  'empty-file': { code: passwordCode.invalid, why: 'a file that is there is no missing entry' },
  'json-no-expires_at': { code: passwordCode.invalid, why: 'a password that never ends is none' },
  'json-expires_at-string': { code: passwordCode.invalid, why: 'a number in quotes is no number' },
  'json-failed_attempts-string-wrong-password': { code: passwordCode.invalid, why: 'a number in quotes is no number' },
}

// The disk of these tests has no links; that a link is refused is in test/modes/world/files/disk.test.ts.
const onDisk = passwords.tampered.filter(({ name }) => name !== 'symlink')

const salts: Readonly<Record<string, Damage>> = {
  'salt-15-bytes': cut(15),
  'salt-with-trailing-newline': append('\n'),
}

test.each(onDisk)(
  'a kept password: $name',
  async ({ name, user, password, clock, expect_rc, file, ...vector }) => {
    const world = fakeWorld({ now: clock, argon2, files: { '/etc/machine-id': vector.machine_id_file } })
    put(world, config.offline_cache_key_file, Uint8Array.fromHex(passwordSet!.key_file_hex!))
    const salt = await (salts[name] ?? untouched)(Uint8Array.fromHex(passwordSet!.salt_hex))
    put(world, `${config.offline_cache_dir}/${passwordSalt}`, salt)
    const written = Uint8Array.fromHex(passwordSet!.entries.find((entry) => entry.file === file)!.file_bytes_hex)
    const crafted = 'crafted_plaintext' in vector ? vector.crafted_plaintext : undefined
    const data =
      crafted === undefined
        ? await damageOf(passwordDamages, name)(written)
        : concat(utf8('OBCRED01'), await seal(passwordKey, utf8(crafted), { iv }))
    put(world, `${config.offline_cache_dir}/${file}`, data)
    const verdict = await openOfflinePasswords(world, config).verify(parseLoginName(user)!, new Secret(password))
    const expected = passwordDifferences[name]?.code ?? expect_rc
    expect([name, passwordCode[verdict.kind]]).toEqual([name, expected])
  },
  60_000,
)

test('every listed difference is one: the vectors say otherwise', () => {
  for (const name of Object.keys(grantDifferences))
    expect([name, grants.tampered.find((one) => one.name === name)?.expect_hit]).toEqual([name, true])
  for (const name of Object.keys(tokenDifferences))
    expect([name, tokens.tampered.find((one) => one.name === name)?.expect_hit]).toEqual([name, true])
  for (const [name, { code }] of Object.entries(passwordDifferences))
    expect(passwords.tampered.find((one) => one.name === name)?.expect_rc).not.toBe(code)
})

// The C implementation counted its own salt as an entry, and deleted it when it tidied up: every entry was lost.
test('the salt of a directory is no entry of it', async () => {
  const { stats_at_clock } = passwords.directory_ops
  const world = fakeWorld({ now: passwords.clock_checked, files: { '/etc/machine-id': passwordSet!.machine_id_file! } })
  put(world, config.offline_cache_key_file, Uint8Array.fromHex(passwordSet!.key_file_hex!))
  put(world, `${config.offline_cache_dir}/${passwordSalt}`, Uint8Array.fromHex(passwordSet!.salt_hex))
  for (const { file, file_bytes_hex } of passwordSet!.entries)
    put(world, `${config.offline_cache_dir}/${file}`, Uint8Array.fromHex(file_bytes_hex))
  const inventory = openInventory(world, config)
  const found = await Promise.all(inventory.files().map(inventory.examine))
  const states = found.map((entry) => entry!.state)
  expect(states.length).toBe(stats_at_clock.total - 1)
  expect(states.filter((state) => state === 'locked').length).toBe(stats_at_clock.locked)
})
