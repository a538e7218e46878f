// One contract for the disk of the machine and for the disk of the tests: whoever believes a test that ran on the
// second believes that it is like the first.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { disk } from '../../../../modes/world/files/disk.ts'
import { Fault } from '../../../../src/base/fault.ts'
import type { Files } from '../../../../src/base/world.ts'
import { fakeWorld } from '../../../fakes/world.ts'

const base = '/var/lib/ob-contract'
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)
const faultOf = (work: () => unknown): string => {
  try {
    return `no fault but ${work()}`
  } catch (error) {
    if (error instanceof Fault) return error.message
    throw error
  }
}

type Facts = { readonly mode: number; readonly uid?: number; readonly modifiedAt?: number }
type Subject = {
  readonly files: Files
  /** A directory that is there and holds nothing. */
  readonly directory: () => string
  /** Puts a file there from outside, as another program would. */
  readonly put: (path: string, content: string, facts: Facts) => void
}

const realFiles = disk(new AbortController().signal)
let place = ''
const real: Subject = {
  files: realFiles,
  directory: () => {
    const path = mkdtempSync(`${place}/`)
    chmodSync(path, 0o755)
    return path
  },
  put: (path, content, { mode, uid = 0, modifiedAt }) => {
    writeFileSync(path, content)
    chownSync(path, uid, 0)
    chmodSync(path, mode)
    if (modifiedAt !== undefined) utimesSync(path, modifiedAt, modifiedAt)
  },
}

const world = fakeWorld()
let made = 0
const fake: Subject = {
  files: world.files,
  directory: () => {
    const path = `${base}/${++made}`
    world.files.makeDirectory(path, 0o755)
    return path
  },
  put: (path, content, { mode, uid = 0, modifiedAt = world.clock.now }) =>
    void world.disk.set(path, { data: new TextEncoder().encode(content), mode, uid, gid: 0, modifiedAt }),
}

beforeAll(() => {
  place = mkdtempSync(`${base}-`)
  chmodSync(place, 0o755)
})
afterEach(() => {
  for (const name of readdirSync(place)) rmSync(`${place}/${name}`, { recursive: true })
})
afterAll(() => rmSync(place, { recursive: true }))

const subjects = [
  ['the disk of the machine', real],
  ['the disk of the tests', fake],
] as const

describe.each(subjects)('%s', (_name, { files, directory, put }) => {
  test('reads a file up to the limit, and refuses a larger one', () => {
    const path = `${directory()}/a`
    put(path, 'content', { mode: 0o644 })
    expect(text(files.read(path, 7))).toBe('content')
    expect(faultOf(() => files.read(path, 6))).toBe(`${path} is larger than 6 bytes; it cannot be what it should be`)
    expect(faultOf(() => files.readTrusted(path, { limit: 6, secret: false }))).toContain('larger than 6 bytes')
    expect(faultOf(() => files.readTrustedParts(path, { limit: 6, secret: false }, () => 1))).toContain('larger than 6')
  })

  test('says nothing of a file that is not there, and of one whose directory is not', () => {
    const at = directory()
    for (const path of [`${at}/none`, `${at}/none/deeper`]) {
      expect(files.read(path, 9)).toBeUndefined()
      expect(files.readEnd(path, 9)).toBeUndefined()
      expect(files.readTrusted(path, { limit: 9, secret: true })).toBeUndefined()
      expect(files.readTrustedParts(path, { limit: 9, secret: true }, () => 1)).toBeUndefined()
      expect([files.stat(path), files.list(path)]).toEqual([undefined, undefined])
      expect([files.remove(path), files.destroy(path)]).toEqual([false, false])
    }
  })

  test('reads no directory as a file', () => {
    const at = directory()
    const shared = { limit: 99_999, secret: false }
    for (const work of [
      () => files.read(at, 99_999),
      () => files.readEnd(at, 9),
      () => files.readTrusted(at, shared),
      () => files.readTrustedParts(at, shared, () => 1),
    ])
      expect(faultOf(work)).toContain('not a regular file')
  })

  test('reads the end of a file that grows, and all of a short one', () => {
    const path = `${directory()}/log`
    put(path, 'one\ntwo\nthree\n', { mode: 0o640 })
    expect(text(files.readEnd(path, 6))).toBe('three\n')
    expect(text(files.readEnd(path, 14))).toBe('one\ntwo\nthree\n')
    expect(text(files.readEnd(path, 999))).toBe('one\ntwo\nthree\n')
    expect(text(files.readEnd(path, 0))).toBe('')
  })

  test.each([
    [0o600, 0, true, 'content'],
    [0o640, 0, true, 'can be read by others (mode 0640)'],
    [0o604, 0, true, 'can be read by others (mode 0604)'],
    [0o644, 0, false, 'content'],
    [0o664, 0, false, 'can be written by others (mode 0664)'],
    [0o646, 0, false, 'can be written by others (mode 0646)'],
    [0o600, 12_345, true, 'belongs to uid 12345'],
    [0o600, 12_345, false, 'belongs to uid 12345'],
  ])('trusts mode %o of uid %i, secret %p: %s', (mode, uid, secret, expected) => {
    const path = `${directory()}/a`
    put(path, 'content', { mode, uid })
    const rules = { limit: 100, secret }
    for (const read of [
      () => text(files.readTrusted(path, rules)),
      () => files.readTrustedParts(path, rules, ({ size, read }) => text(read(0, size))),
    ]) {
      const found = mode === 0o600 && uid === 0 ? read() : faultOf(read)
      expect(found).toContain(expected)
    }
    expect(text(files.read(path, 100))).toBe('content')
  })

  test.each([
    [12_345, 'content'],
    [0, 'content'],
    [12_346, /belongs to/],
  ] as const)('reads a user’s file with the rights of that user when it belongs to uid %i', (uid, expected) => {
    const path = `${directory()}/a`
    put(path, 'content', { mode: 0o644, uid })
    const work = () => text(files.readOwned(path, { uid: 12_345, gid: 12_345, limit: 7 }))
    if (typeof expected === 'string') expect(work()).toBe(expected)
    else expect(faultOf(work)).toMatch(expected)
    expect(faultOf(() => files.readOwned(path, { uid: 12_345, gid: 12_345, limit: 6 }))).not.toContain('no fault')
    expect(files.readOwned(`${path}.none`, { uid: 12_345, gid: 12_345, limit: 7 })).toBeUndefined()
  })

  test('reads parts of a file; fewer bytes only at its end', () => {
    const path = `${directory()}/a`
    put(path, 'abcdef', { mode: 0o600 })
    const found = files.readTrustedParts(path, { limit: 6, secret: true }, ({ size, read }) => [
      ...[size, text(read(0, 2)), text(read(2, 3)), text(read(4, 9)), text(read(6, 1))],
    ])
    expect(found).toEqual([6, 'ab', 'cde', 'ef', ''])
  })

  test('tells what a file is, and what a directory', () => {
    const at = directory()
    put(`${at}/a`, 'content', { mode: 0o640, uid: 7, modifiedAt: 1_700_000_000 })
    const file = { kind: 'file', mode: 0o640, uid: 7, gid: 0, size: 7, modifiedAt: 1_700_000_000 }
    expect(files.stat(`${at}/a`)).toEqual(file as never)
    files.makeDirectory(`${at}/d`, 0o711)
    expect(files.stat(`${at}/d`)).toMatchObject({ kind: 'directory', mode: 0o711, uid: 0 })
  })

  test('lists files and directories by name, and an empty directory as one', () => {
    const at = directory()
    expect(files.list(at)).toEqual([])
    put(`${at}/b`, '', { mode: 0o600 })
    files.makeDirectory(`${at}/c/d`, 0o700)
    expect(files.list(at)!.toSorted()).toEqual(['b', 'c'])
    expect([files.list(`${at}/c`), files.list(`${at}/c/d`)]).toEqual([['d'], []])
  })

  test('writes a whole file with its mode and owner, and leaves nothing else', () => {
    const at = directory()
    files.writeAtomic(`${at}/a`, 'one', { mode: 0o640, uid: 3, gid: 42 })
    expect(files.stat(`${at}/a`)).toMatchObject({ mode: 0o640, uid: 3, gid: 42, size: 3 })
    files.writeAtomic(`${at}/a`, 'two!', { mode: 0o600 })
    expect([text(files.read(`${at}/a`, 9)), files.list(at)]).toEqual(['two!', ['a']])
    expect(files.stat(`${at}/a`)).toMatchObject({ mode: 0o600, uid: 0, gid: 0 })
  })

  test('makes no directory by itself', async () => {
    const path = `${directory()}/none/a`
    const absent = 'a directory on the way does not exist'
    for (const work of [
      () => files.writeAtomic(path, '', { mode: 0o600 }),
      () => files.createExclusive(path, '', 0o600),
      () => files.append(path, '', 0o600),
      () => files.extend(path, 0, '', { mode: 0o600 }),
    ])
      expect(faultOf(work)).toContain(absent)
    await expect(files.withLock(path, () => 1)).rejects.toThrow(absent)
  })

  test('of many that create a file, one made it', () => {
    const path = `${directory()}/claim`
    const won = Array.from({ length: 5 }, (_, at) => files.createExclusive(path, String(at), 0o600))
    expect([won, text(files.read(path, 9))]).toEqual([[true, false, false, false, false], '0'])
    expect(files.stat(path)?.mode).toBe(0o600)
  })

  test('appends lines, after what was cut short on a line of its own', () => {
    const path = `${directory()}/log`
    files.append(path, 'one\n', 0o640)
    files.append(path, 'two\n', 0o600)
    expect([text(files.read(path, 99)), files.stat(path)?.mode]).toEqual(['one\ntwo\n', 0o640])
    put(path, 'half a li', { mode: 0o640 })
    files.append(path, 'whole\n', 0o640)
    expect(text(files.read(path, 99))).toBe('half a li\nwhole\n')
  })

  test('writes to no file that others own or may write', () => {
    const path = `${directory()}/log`
    for (const [facts, says] of [
      [{ mode: 0o666 }, 'can be written by others'],
      [{ mode: 0o600, uid: 5 }, 'belongs to uid 5'],
    ] as const) {
      put(path, 'x\n', facts)
      expect(faultOf(() => files.append(path, 'y\n', 0o600))).toContain(says)
      expect(faultOf(() => files.extend(path, 2, 'y\n', { mode: 0o600 }))).toContain(says)
      expect(text(files.read(path, 9))).toBe('x\n')
    }
  })

  test('extends a file from an offset, and never a shorter one', () => {
    const path = `${directory()}/journal`
    files.extend(path, 0, 'one\n', { mode: 0o600 })
    files.extend(path, 4, 'two\n', { mode: 0o600 })
    files.extend(path, 4, 'three\n', { mode: 0o600 })
    expect(text(files.read(path, 99))).toBe('one\nthree\n')
    expect(faultOf(() => files.extend(path, 11, 'x', { mode: 0o600 }))).toContain('is shorter than it was')
    expect(text(files.read(path, 99))).toBe('one\nthree\n')
  })

  test('removes what is there, once', () => {
    const at = directory()
    for (const name of ['a', 'b']) put(`${at}/${name}`, 'x', { mode: 0o600 })
    expect([files.remove(`${at}/a`), files.remove(`${at}/a`)]).toEqual([true, false])
    expect([files.destroy(`${at}/b`), files.destroy(`${at}/b`)]).toEqual([true, false])
    expect(files.list(at)).toEqual([])
  })

  test('makes a directory and those above it, and leaves one that is there', () => {
    const at = directory()
    files.makeDirectory(`${at}/a/b`, 0o700)
    expect([files.stat(`${at}/a`)?.mode, files.stat(`${at}/a/b`)?.mode]).toEqual([0o755, 0o700])
    files.makeDirectory(`${at}/a/b`, 0o711)
    expect(files.stat(`${at}/a/b`)?.mode).toBe(0o700)
    put(`${at}/file`, '', { mode: 0o600 })
    expect(faultOf(() => files.makeDirectory(`${at}/file`, 0o700))).toContain('is not a directory; move it away')
    expect(faultOf(() => files.makeDirectory(`${at}/file/below`, 0o700))).not.toContain('no fault')
  })

  test('uses no directory that others may write', () => {
    const at = directory()
    files.makeDirectory(`${at}/open`, 0o777)
    expect(faultOf(() => files.makeDirectory(`${at}/open`, 0o700))).toContain('can be written by others')
    files.makeDirectory(`${at}/sticky`, 0o1777)
    files.makeDirectory(`${at}/sticky`, 0o700)
  })

  test('one at a time holds a lock, and work that fails lets it go', async () => {
    const path = `${directory()}/lock`
    let [inside, most] = [0, 0]
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside)
      await Bun.sleep(2)
      inside--
    }
    await Promise.all([1, 2, 3].map(() => files.withLock(path, work)))
    expect(most).toBe(1)
    const failing = files.withLock(path, () => Promise.reject(new Fault('it failed')))
    await expect(failing).rejects.toThrow('it failed')
    expect(await files.withLock(path, () => 'mine')).toBe('mine')
  })

  test('waits for a lock as long as it is told to', async () => {
    const path = `${directory()}/lock`
    const release = Promise.withResolvers<void>()
    const holder = files.withLock(path, () => release.promise)
    await expect(files.withLock(path, () => 'mine', 0.05)).rejects.toThrow(`another process holds ${path}`)
    release.resolve()
    await holder
    expect(await files.withLock(path, () => 'mine', 5)).toBe('mine')
  })
})

test('the clocks of the tests go on together, and the steady one never back', async () => {
  const { clock, ...fakes } = fakeWorld()
  const [now, begun] = [fakes.now(), fakes.monotonic()]
  await fakes.sleep(2)
  expect([fakes.now() - now, fakes.monotonic() - begun]).toEqual([2, 2000])
  clock.now -= 100
  expect([fakes.now() - now, fakes.monotonic() - begun]).toEqual([-98, 2000])
  clock.now += 1
  expect(fakes.monotonic() - begun).toBe(3000)
})
