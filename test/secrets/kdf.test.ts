// Keys that the C implementation derived from known machine-ids, key files and salts.
import { expect, test } from 'bun:test'
import { hex, utf8 } from '../../src/base/bytes.ts'
import { deriveKey, parseMachineId } from '../../src/secrets/kdf.ts'
import { open, seal } from '../../src/secrets/sealed-format.ts'

const counting = (length: number) => Uint8Array.from({ length }, (_, at) => at)
const machineId = '0123456789abcdef0123456789abcdef'
const salt = counting(16)

test('the machine-id alone gives the C implementation’s key', async () => {
  const key = await deriveKey({ machineId, salt })
  expect(hex(key)).toBe('24b15923adcaf6478e3c51771181b2c9dee822a729832aaa5b7554cfc2232c0a')
})

test('a key file’s first 32 bytes stand in front of the machine-id, whatever follows them', async () => {
  for (const length of [32, 33, 4096]) {
    const key = await deriveKey({ keyFile: counting(length), machineId, salt })
    expect(hex(key)).toBe('5bd1d1c5d953d9fd00cd31541036950ca32d0a5ae66a0c1cbef8ee779cd7b791')
  }
})

test('what counts of a machine-id is its first line, at most 63 bytes', () => {
  expect(parseMachineId(utf8(`${machineId}\n`))).toBe(machineId)
  expect(parseMachineId(utf8(`${machineId}\nmore\n`))).toBe(machineId)
  expect(parseMachineId(utf8('a'.repeat(80)))).toBe('a'.repeat(63))
  expect(parseMachineId(utf8('\nsecond line\n'))).toBeUndefined()
  expect(parseMachineId(utf8(''))).toBeUndefined()
})

test('sealed bytes are IV, ciphertext and tag, and open again', async () => {
  const [key, iv] = [counting(32), counting(12)]
  for (const length of [0, 1, 1000]) {
    const sealed = await seal(key, counting(length), { iv })
    expect(sealed.length).toBe(12 + length + 16)
    expect(sealed.subarray(0, 12)).toEqual(iv)
    expect(await open(key, sealed)).toEqual(counting(length))
  }
})

test('another key, another name or one changed bit opens nothing', async () => {
  const [key, aad] = [counting(32), utf8('name')]
  const sealed = await seal(key, utf8('hello'), { iv: counting(12), aad })
  expect(await open(key, sealed, { aad })).toEqual(utf8('hello'))
  expect(await open(counting(33).subarray(1), sealed, { aad })).toBeUndefined()
  expect(await open(key, sealed, { aad: utf8('other') })).toBeUndefined()
  expect(await open(key, sealed)).toBeUndefined()
  for (let length = 0; length < sealed.length; length++)
    expect(await open(key, sealed.subarray(0, length), { aad })).toBeUndefined()
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Uint8Array.from(sealed)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect(await open(key, changed, { aad })).toBeUndefined()
  }
})
