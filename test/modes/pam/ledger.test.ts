// Growing files on the real disk, and accounts on it while their process is killed.
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { disk } from '../../../modes/world/files/disk.ts'

let base: string
let path: string
const files = disk(new AbortController().signal)
const options = { mode: 0o644 }

beforeAll(() => {
  base = mkdtempSync('/var/lib/ob-test-')
})
afterAll(() => rmSync(base, { recursive: true }))
beforeEach(() => {
  path = `${mkdtempSync(`${base}/`)}/file`
})

test('a file is extended where it ended, and what a crash left after that is gone', () => {
  files.extend(path, 0, 'one\n', options)
  files.extend(path, 4, 'two\n', options)
  writeFileSync(path, 'one\ntwo\nthr')
  files.extend(path, 8, 'three\n', options)
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\nthree\n')
})

test('a file that became shorter is not extended', () => {
  writeFileSync(path, 'one\n')
  expect(() => files.extend(path, 8, 'x\n', options)).toThrow('shorter')
  expect(readFileSync(path, 'utf8')).toBe('one\n')
})

test('a file that others may write, or a link, is not extended', () => {
  writeFileSync(path, 'one\n')
  chmodSync(path, 0o666)
  expect(() => files.extend(path, 4, 'x\n', options)).toThrow('written by others')
  symlinkSync(path, `${path}.link`)
  expect(() => files.extend(`${path}.link`, 4, 'x\n', options)).toThrow('symbolic link')
})

test('parts of a trusted file are read, and of an untrusted one none', () => {
  writeFileSync(path, 'abcdef')
  const rules = { limit: 100, secret: false }
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  const read = () =>
    files.readTrustedParts(path, rules, (file) => [file.size, text(file.read(2, 2)), text(file.read(5, 9))])
  expect(read()).toEqual([6, 'cd', 'f'])
  chmodSync(path, 0o666)
  expect(read).toThrow('written by others')
  expect(files.readTrustedParts(`${path}.none`, rules, () => 1)).toBeUndefined()
})
