// The C implementation's sealed secrets, byte for byte, and our own format beside them.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { concat, hex, utf8 } from '../../src/base/bytes.ts'
import { deriveKey, parseMachineId } from '../../src/secrets/kdf.ts'
import { open, seal } from '../../src/secrets/sealed-format.ts'
import {
  formatStoreHeader,
  isLeftover,
  keyFileCheck,
  machineCheck,
  nameInFile,
  openSecret,
  parseStoreHeader,
  sealedFileName,
  sealSecret,
  upstreamFileName,
} from '../../src/secrets/store-format.ts'
import vectors from '../vectors/secret-store.json'

const latin1 = (text: string): string => String.fromCharCode(...utf8(text))
const bytes = (digits: string): Uint8Array<ArrayBuffer> => Uint8Array.fromHex(digits)

type VectorSet = (typeof vectors.sets)[number]

function keyOf({ machine_id_file, config_salt, salt_hex }: VectorSet): Promise<Uint8Array<ArrayBuffer>> {
  const machineId = parseMachineId(utf8(machine_id_file))!
  return deriveKey({
    machineId: config_salt === null ? machineId : latin1(`${machineId}:${config_salt}`),
    salt: bytes(salt_hex),
  })
}

test.each(vectors.sets.map((set) => [set.name, set] as const))(
  'the set %s opens, and seals to its bytes',
  async (_, set) => {
    const key = await keyOf(set)
    expect(hex(key)).toBe(set.derived_key_hex)
    for (const entry of set.entries) {
      expect(upstreamFileName(entry.key)).toBe(entry.file)
      const sealed = bytes(entry.file_bytes_hex)
      expect(hex((await open(key, sealed))!)).toBe(entry.value_hex)
      expect(await seal(key, bytes(entry.value_hex), { iv: bytes(entry.iv_hex) })).toEqual(sealed)
    }
  },
)

const key = Uint8Array.from({ length: 32 }, (_, at) => at)
const iv = Uint8Array.from({ length: 12 }, (_, at) => at)
const place = { generation: '01020304', name: 'client_secret' }

test('a sealed secret opens in its own place only', async () => {
  const file = await sealSecret(key, utf8('hello'), { ...place, iv })
  expect(await openSecret(key, file, place)).toEqual(utf8('hello'))
  for (const other of [
    { ...place, name: 'notify_secret' },
    { ...place, name: 'client_secre' },
    { ...place, generation: '01020305' },
  ])
    expect(await openSecret(key, file, other)).toBe('broken')
  expect(await openSecret(key.toReversed(), file, place)).toBe('broken')
})

test('a sealed secret that lost or changed a byte does not open', async () => {
  const file = await sealSecret(key, utf8('hello'), { ...place, iv })
  for (let length = 0; length < file.length; length++)
    expect(['foreign', 'broken']).toContain(String(await openSecret(key, file.subarray(0, length), place)))
  for (let at = 0; at < file.length; at++) {
    const changed = Uint8Array.from(file)
    changed[at]! ^= 0x40
    expect(['foreign', 'broken']).toContain(String(await openSecret(key, changed, place)))
  }
})

test('the C implementation’s files are foreign to our store', async () => {
  const [entry] = vectors.sets[0]!.entries
  expect(await openSecret(key, bytes(entry!.file_bytes_hex), place)).toBe('foreign')
})

const header = {
  generation: '01020304',
  salt: Uint8Array.from({ length: 16 }, (_, at) => at),
  machine: 'a'.repeat(32),
  keyFile: 'b'.repeat(32),
}

test('a header is read as it was written', () => {
  expect(parseStoreHeader(formatStoreHeader(header))).toEqual(header)
})

test('a damaged header and one of a later version are told apart', () => {
  expect(parseStoreHeader(formatStoreHeader(header).replace('"version":1', '"version":2'))).toEqual({
    problem: 'newer',
  })
  for (const text of ['', '{', 'null', '[]', '{"version":1}', formatStoreHeader(header).slice(0, -3)])
    expect(parseStoreHeader(text)).toEqual({ problem: 'damaged' })
  expect(parseStoreHeader(formatStoreHeader({ ...header, generation: '../../etc' }))).toEqual({ problem: 'damaged' })
})

test.each([
  ['generation', 'zzzzzzzz'],
  ['generation', 'zzzzzzz1'],
  ['generation', '1zzzzzzz'],
  ['generation', '0102030'],
  ['generation', '010203040'],
  ['generation', '0A0B0C0D'],
  ['salt', 'g'.repeat(32)],
  ['salt', '00'.repeat(15)],
  ['machine', '00'.repeat(15)],
  ['key_file', '../../../../../../../../../../etc'],
])('a header whose %s is %j is damaged', (member, value) => {
  const text = JSON.stringify({ ...JSON.parse(formatStoreHeader(header)), [member]: value })
  expect(parseStoreHeader(text)).toEqual({ problem: 'damaged' })
})

// A store of today is opened by the program of tomorrow: these words may never change.
test('the header’s two checks are HMACs of what they check, each under its own word', () => {
  const openssl = (key: Uint8Array, word: string): string => {
    const mac = ['mac', '-digest', 'SHA256', '-macopt', `hexkey:${hex(key)}`, '-in', '-', 'HMAC']
    const { stdout } = Bun.spawnSync(['openssl', ...mac], { stdin: concat(utf8(word), header.salt) })
    return stdout.toString().trim().toLowerCase().slice(0, 32)
  }
  const machineId = '0123456789abcdef0123456789abcdef'
  expect(machineCheck(machineId, header.salt)).toBe(openssl(utf8(machineId), 'open-bastion machine-id\0'))
  const file = Uint8Array.from({ length: 40 }, (_, at) => at + 1)
  expect(keyFileCheck(file, header.salt)).toBe(openssl(file.subarray(0, 32), 'open-bastion key file\0'))
})

test('whatever stands in a header, nothing is thrown, and what is accepted is written the same', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const parsed = parseStoreHeader(text)
      if (!('problem' in parsed)) expect(parseStoreHeader(formatStoreHeader(parsed))).toEqual(parsed)
    }),
  )
})

test('files of another generation and remains of a change that was cut short are leftovers', () => {
  const file = sealedFileName('01020304', 'client_secret')
  expect(nameInFile('01020304', file)).toBe('client_secret')
  expect(isLeftover('01020304', file)).toBe(false)
  for (const leftover of ['0a0b0c0d.client_secret', `${file}.tmp.0123456789ab`, '.store.tmp.0123456789ab'])
    expect([leftover, nameInFile('01020304', leftover), isLeftover('01020304', leftover)]).toEqual([
      leftover,
      undefined,
      true,
    ])
  for (const other of ['.store', '.lock', 'notes.txt', '.salt']) expect(isLeftover('01020304', other)).toBe(false)
})

// A file of the C implementation that was renamed opens as another secret: why `ob secret import` wants to be told a
// name.
test.each(vectors.checks)('a file of upstream’s: $name', async (check) => {
  const set = vectors.sets.find(({ name }) => name === check.set)!
  const own = set.entries.find(({ key }) => key === check.key)
  if (!own) return expect([check.expect_rc, check.file_exists_after]).toEqual([-2, false])
  const opener = await keyOf({ ...set, config_salt: check.config_salt as null, machine_id_file: check.machine_id_file })
  const renamed = set.entries.find(({ value_hex }) => value_hex === check.value_hex) ?? own
  const whole = bytes(renamed.file_bytes_hex)
  const length = Number(/^(\d+) bytes/.exec(check.name)?.[1] ?? whole.length)
  const opened = await open(opener, whole.subarray(0, length))
  expect(opened === undefined ? null : hex(opened)).toBe(check.value_hex)
})
