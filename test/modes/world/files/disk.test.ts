// The real disk, in a directory of its own: what is trusted, what survives a kill, and how a home is made.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { constants as system } from 'node:os'
import { disk } from '../../../../modes/world/files/disk.ts'
import { readers } from '../../../../modes/world/files/safe-path.ts'
import { errorNames, openCalls, openFlags } from '../../../../modes/world/files/syscalls.ts'

const { errno } = system

// Under /root or /var, not /tmp: a directory that others can write above it makes every file in it untrusted.
let base: string
let directory: string
const files = disk(new AbortController().signal)

beforeAll(() => {
  base = mkdtempSync('/var/lib/ob-test-')
})
afterAll(() => rmSync(base, { recursive: true }))
beforeEach(() => {
  directory = mkdtempSync(`${base}/`)
})

const faultOf = (work: () => unknown): string => {
  try {
    work()
    return 'no fault'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
const make = (name: string, mode: number, owner = 0): string => {
  const path = `${directory}/${name}`
  writeFileSync(path, 'content')
  chownSync(path, owner, 0)
  chmodSync(path, mode)
  return path
}
const secret = { limit: 100, secret: true }
const shared = { limit: 100, secret: false }

const reading = [
  ['node:fs', files],
  ['the C library', readers(openCalls()!)],
] as const

describe.each(reading)('reading through %s', (_door, files) => {
  test('a secret of root with mode 0600 is read', () => {
    expect(new TextDecoder().decode(files.readTrusted(make('a', 0o600), secret))).toBe('content')
  })

  test('a file that is not there is not a fault', () => {
    expect(files.readTrusted(`${directory}/none`, secret)).toBeUndefined()
    expect(files.readTrusted(`${directory}/none/deeper`, secret)).toBeUndefined()
  })

  const untrusted = [
    ['a secret that a group can read', 0o640, 0, secret, /chmod|can be read by others/],
    ['a secret that all can read', 0o604, 0, secret, /can be read by others/],
    ['a file that a group can write', 0o664, 0, shared, /can be written by others/],
    ['a file of another user', 0o600, 12345, secret, /belongs to uid 12345/],
  ] as const
  test.each(untrusted)('%s is refused with its name', (_name, mode, owner, rules, message) => {
    const path = make('a', mode, owner)
    const fault = faultOf(() => files.readTrusted(path, rules))
    expect(fault).toMatch(message)
    expect(fault).toContain(path)
  })

  test('a symbolic link is refused, wherever it points', () => {
    symlinkSync(make('a', 0o600), `${directory}/link`)
    expect(faultOf(() => files.readTrusted(`${directory}/link`, secret))).toContain('symbolic link')
  })

  test('a pipe does not make anybody wait', () => {
    Bun.spawnSync(['mkfifo', `${directory}/pipe`])
    expect(faultOf(() => files.readTrusted(`${directory}/pipe`, secret))).toContain('not a regular file')
  })

  test('a directory above that others can write makes a file untrusted', () => {
    mkdirSync(`${directory}/open`)
    chmodSync(`${directory}/open`, 0o777)
    writeFileSync(`${directory}/open/a`, '', { mode: 0o600 })
    expect(faultOf(() => files.readTrusted(`${directory}/open/a`, secret))).toContain(
      `${directory}/open can be written by others`,
    )
  })

  test('more than the limit is refused', () => {
    writeFileSync(`${directory}/big`, 'x'.repeat(101), { mode: 0o600 })
    expect(faultOf(() => files.readTrusted(`${directory}/big`, secret))).toContain('larger than 100 bytes')
  })

  test('a directory above that belongs to another user makes a file untrusted', () => {
    mkdirSync(`${directory}/theirs`)
    writeFileSync(`${directory}/theirs/a`, '', { mode: 0o600 })
    chownSync(`${directory}/theirs`, 12345, 0)
    expect(faultOf(() => files.readTrusted(`${directory}/theirs/a`, secret))).toContain(
      `${directory}/theirs belongs to uid 12345`,
    )
  })

  test('a link in the middle of the way is followed, and what it leads to is judged', () => {
    mkdirSync(`${directory}/open`)
    writeFileSync(`${directory}/open/a`, 'content', { mode: 0o600 })
    symlinkSync(`${directory}/open`, `${directory}/way`)
    expect(new TextDecoder().decode(files.readTrusted(`${directory}/way/a`, secret))).toBe('content')
    chmodSync(`${directory}/open`, 0o777)
    expect(faultOf(() => files.readTrusted(`${directory}/way/a`, secret))).toContain(`${directory}/open can be written`)
  })

  test('what is read is what is there, to the byte, up to the limit', () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000))
    writeFileSync(`${directory}/a`, bytes, { mode: 0o644 })
    expect(files.read(`${directory}/a`, 60_000)).toEqual(bytes)
    expect(faultOf(() => files.read(`${directory}/a`, 59_999))).toContain('larger than 59999 bytes')
    writeFileSync(`${directory}/empty`, '')
    expect(files.read(`${directory}/empty`, 10)).toEqual(new Uint8Array())
    expect(files.read('/proc/self/stat', 4096)!.length).toBeGreaterThan(50)
  })

  test('where a link is on the way, the directories above the link count as well, and its owner', () => {
    mkdirSync(`${directory}/safe`)
    mkdirSync(`${directory}/open`)
    writeFileSync(`${directory}/safe/a`, 'content', { mode: 0o600 })
    symlinkSync(`${directory}/safe`, `${directory}/open/way`)
    symlinkSync(`${directory}/safe`, `${directory}/theirs`)
    lchownSync(`${directory}/theirs`, 12345, 0)
    expect(new TextDecoder().decode(files.readTrusted(`${directory}/open/way/a`, secret))).toBe('content')
    chmodSync(`${directory}/open`, 0o777)
    expect(faultOf(() => files.readTrusted(`${directory}/open/way/a`, secret))).toContain('/open can be written')
    expect(faultOf(() => files.readTrusted(`${directory}/theirs/a`, secret))).toContain('theirs belongs to uid 12345')
  })

  test('no descriptor stays open, whatever came of it', () => {
    const big = make('big', 0o666)
    // What earlier tests left to the garbage collector may go meanwhile; nothing may come.
    const opened = () => readdirSync('/proc/self/fd')
    const before = opened()
    for (let i = 0; i < 20; i++) {
      files.read(big, 100)
      files.stat(big)
      for (const work of [() => files.read(big, 1), () => files.readTrusted(big, shared), () => files.read('/', 1)])
        expect(faultOf(work)).not.toBe('no fault')
    }
    expect(opened().filter((name) => !before.includes(name))).toEqual([])
  })

  test('names that no disk can hold are refused and not cut short', () => {
    const path = make('a', 0o600)
    expect(faultOf(() => files.stat(`${path}\0.pub`))).toContain('cannot examine')
    expect(faultOf(() => files.read(`${path}\0.pub`, 100))).toContain('cannot read')
    expect(faultOf(() => files.read(`${directory}/${'x'.repeat(300)}`, 100))).toContain('ENAMETOOLONG')
    expect(files.read(`${directory}/é ü`, 100)).toBeUndefined()
    // PATH_MAX is 4096 with the zero at its end; a byte more or half a character less must not be another file.
    const long = (bytes: number, end = 'a') => `/${'./'.repeat(2000)}${'/'.repeat(bytes)}`.slice(0, bytes - 3) + end
    for (const path of [long(4096, '/ab'), long(4096, '/aé'), long(4097, '/ab'), long(9000, '/ab')])
      expect(faultOf(() => files.stat(path))).toContain('ENAMETOOLONG')
    expect(files.stat(long(4095, '///'))?.kind).toBe('directory')
    expect(files.stat(long(4095, '/ab'))).toBeUndefined()
  })

  test('a directory is no file, and a loop of links no way', () => {
    expect(faultOf(() => files.read(directory, 100))).toContain('is not a regular file')
    symlinkSync('round', `${directory}/round`)
    expect(faultOf(() => files.read(`${directory}/round/a`, 100))).toContain('symbolic link')
    expect(files.stat(`${directory}/round`)?.kind).toBe('symlink')
  })
})

test('a way that goes away between the file and the look at its directories is no way to a file', () => {
  const gone = (): never => {
    throw Object.assign(new Error('gone'), { code: 'ENOENT' })
  }
  const { readTrusted } = readers({ ...openCalls()!, realpath: gone })
  mkdirSync(`${directory}/real`)
  writeFileSync(`${directory}/real/a`, 'content', { mode: 0o600 })
  symlinkSync(`${directory}/real`, `${directory}/way`)
  expect(readTrusted(`${directory}/real/a`, secret)).toBeDefined()
  expect(readTrusted(`${directory}/way/a`, secret)).toBeUndefined()
})

test('both doors say the same of every kind of file', () => {
  const [[, whole], [, lean]] = reading
  const far = 2 ** 33 + 5
  const sparse = make('sparse', 0o4751, 4_294_967_294)
  truncateSync(sparse, far)
  utimesSync(sparse, 2 ** 33, 2 ** 33 + 0.25)
  chmodSync(sparse, 0o4751)
  symlinkSync('nowhere', `${directory}/link`)
  Bun.spawnSync(['mkfifo', '-m', '0620', `${directory}/pipe`])
  expect(lean.stat(sparse)).toMatchObject({ kind: 'file', uid: 4_294_967_294, mode: 0o4751, size: far })
  expect(lean.stat(sparse)?.modifiedAt).toBe(2 ** 33 + 0.25)
  for (const path of [sparse, directory, `${directory}/link`, `${directory}/pipe`, '/dev/null', '/', '/etc/passwd']) {
    const { modifiedAt, ...facts } = whole.stat(path)!
    expect(lean.stat(path)).toEqual({ ...facts, modifiedAt: expect.closeTo(modifiedAt, 3) })
  }
})

test('the numbers of the kernel are those of this machine', () => {
  const { O_NOFOLLOW, O_NONBLOCK } = constants
  const cloexec = 0o2000000
  expect(openFlags[process.arch as 'x64' | 'arm64']).toBe(O_NOFOLLOW | O_NONBLOCK | cloexec)
  for (const [number, name] of Object.entries(errorNames))
    expect([name, errno[name as keyof typeof errno]]).toEqual([name, Number(number)])
})

test('nobody who cannot read is told that there is nothing', () => {
  const program = `
    import { openCalls } from '${import.meta.dir}/../../../../modes/world/files/syscalls.ts'
    import { readers } from '${import.meta.dir}/../../../../modes/world/files/safe-path.ts'
    const { stat, read } = readers(openCalls())
    process.setegid(65534)
    process.seteuid(65534)
    for (const look of [() => stat('${directory}/closed/a'), () => read('${directory}/closed/a', 10), () => stat('${directory}/none')])
      try { console.log(look() ?? 'nothing') } catch (error) { console.log(error.message) }`
  chmodSync(base, 0o755)
  chmodSync(directory, 0o755)
  mkdirSync(`${directory}/closed`, { mode: 0o700 })
  writeFileSync(`${directory}/closed/a`, '')
  const { stdout } = Bun.spawnSync([process.execPath, '-e', program])
  const denied = 'permission denied; run this as root'
  const path = `${directory}/closed/a`
  expect(stdout.toString()).toBe(`cannot examine ${path}: ${denied}\ncannot read ${path}: ${denied}\nnothing\n`)
})

test('a write has its mode before its content, and leaves no temporary file', () => {
  files.writeAtomic(`${directory}/a`, 'one', { mode: 0o640, uid: 0, gid: 42 })
  const stats = lstatSync(`${directory}/a`)
  expect([stats.mode & 0o7777, stats.gid]).toEqual([0o640, 42])
  expect(readdirSync(directory)).toEqual(['a'])
})

test('a write replaces a symbolic link instead of following it', () => {
  const victim = make('victim', 0o600)
  symlinkSync(victim, `${directory}/a`)
  files.writeAtomic(`${directory}/a`, 'new', { mode: 0o600 })
  expect(readFileSync(victim, 'utf8')).toBe('content')
})

test('a write into a directory that does not exist names it', () => {
  expect(faultOf(() => files.writeAtomic(`${directory}/no/a`, '', { mode: 0o600 }))).toContain('does not exist')
})

test('of many that create one file, one made it', () => {
  const made = Array.from({ length: 10 }, () => files.createExclusive(`${directory}/claim`, '', 0o600))
  expect(made.filter((one) => one).length).toBe(1)
})

test('appending refuses a log that others can write', () => {
  expect(faultOf(() => files.append(make('log', 0o666), 'x', 0o640))).toContain('can be written by others')
})

test('killed at any moment, a file is the old one or the new one', async () => {
  const path = `${directory}/state`
  const program = `
    import { disk } from '${import.meta.dir}/../../../../modes/world/files/disk.ts'
    const files = disk(new AbortController().signal)
    const write = (i) => files.writeAtomic('${path}', String(i % 10).repeat(50_000), { mode: 0o600 })
    write(0)
    console.log('begun')
    for (let i = 1; ; i++) write(i)`
  for (let round = 0; round < 8; round++) {
    const child = Bun.spawn([process.execPath, '-e', program], { stdout: 'pipe', stderr: 'ignore' })
    await child.stdout.getReader().read()
    await Bun.sleep(round * 13)
    child.kill('SIGKILL')
    await child.exited
    const text = readFileSync(path, 'utf8')
    expect(text).toBe(text[0]!.repeat(50_000))
  }
}, 120_000)

test('a lock dies with its holder, and a waiting process gets it', async () => {
  const program = `
    import { disk } from '${import.meta.dir}/../../../../modes/world/files/disk.ts'
    await disk(new AbortController().signal).withLock('${directory}/lock', async () => { console.log('held'); await Bun.sleep(60_000) })`
  const child = Bun.spawn([process.execPath, '-e', program], { stdout: 'pipe' })
  await child.stdout.getReader().read()
  const limited = disk(AbortSignal.timeout(100))
  expect(await limited.withLock(`${directory}/lock`, () => 'mine').catch((error: Error) => error.message)).toContain(
    'another process holds',
  )
  child.kill('SIGKILL')
  await child.exited
  expect(await files.withLock(`${directory}/lock`, () => 'mine')).toBe('mine')
})

test('what cannot be overwritten is gone all the same', async () => {
  const path = `${directory}/busy`
  copyFileSync('/bin/sleep', path)
  chmodSync(path, 0o700)
  // A program that runs cannot be written to (ETXTBSY).
  const running = Bun.spawn([path, '60'])
  expect(() => files.destroy(path)).toThrow('cannot destroy')
  running.kill()
  await running.exited
  expect(existsSync(path)).toBe(false)
})

test('what is destroyed is overwritten before it is gone; a link is taken away and nothing behind it', () => {
  const path = make('a', 0o600)
  const content = readFileSync(path)
  const descriptor = openSync(path, 'r')
  expect(files.destroy(path)).toBe(true)
  expect(existsSync(path)).toBe(false)
  expect(readFileSync(descriptor)).toEqual(Buffer.alloc(content.length))
  closeSync(descriptor)
  expect(files.destroy(path)).toBe(false)

  const victim = make('victim', 0o600)
  symlinkSync(victim, `${directory}/link`)
  expect(files.destroy(`${directory}/link`)).toBe(true)
  linkSync(victim, `${directory}/hard`)
  expect(files.destroy(`${directory}/hard`)).toBe(true)
  expect(readFileSync(victim)).toEqual(content)
  expect(readdirSync(directory)).toEqual(['victim'])
})

test('a directory of somebody else is not used', () => {
  mkdirSync(`${directory}/theirs`)
  chownSync(`${directory}/theirs`, 12345, 0)
  expect(faultOf(() => files.makeDirectory(`${directory}/theirs`, 0o700))).toContain('belongs to uid 12345')
})

test('a parent that a system group can write is used, as /var/log on some systems', () => {
  mkdirSync(`${directory}/log`)
  chmodSync(`${directory}/log`, 0o775)
  files.makeDirectory(`${directory}/log/ours`, 0o750)
  expect(lstatSync(`${directory}/log/ours`).mode & 0o777).toBe(0o750)
  chmodSync(`${directory}/log`, 0o777)
  expect(faultOf(() => files.makeDirectory(`${directory}/log/more`, 0o750))).toContain('can be written by others')
})

test('parents are made on the way', () => {
  files.makeDirectory(`${directory}/a/b/c`, 0o700)
  expect(lstatSync(`${directory}/a/b/c`).mode & 0o777).toBe(0o700)
})

const home = (name = 'alice') => ({
  path: `${directory}/home/${name}`,
  skeleton: `${directory}/skel`,
  uid: 20001,
  gid: 20002,
  mode: 0o700,
})

function skeleton(): void {
  mkdirSync(`${directory}/skel/.config`, { recursive: true })
  writeFileSync(`${directory}/skel/.profile`, 'profile')
  writeFileSync(`${directory}/skel/.config/app`, 'app')
  symlinkSync('.profile', `${directory}/skel/link`)
}

test('a home is a copy of the skeleton that belongs to the user, links and all', () => {
  skeleton()
  expect(files.makeHome(home())).toBe(true)
  for (const entry of ['', '/.profile', '/.config', '/.config/app', '/link']) {
    const stats = lstatSync(`${directory}/home/alice${entry}`)
    expect([entry, stats.uid, stats.gid]).toEqual([entry, 20001, 20002])
  }
  expect(lstatSync(`${directory}/home/alice`).mode & 0o777).toBe(0o700)
  expect(lstatSync(`${directory}/home/alice/link`).isSymbolicLink()).toBe(true)
  expect(readdirSync(`${directory}/home`)).toEqual(['alice'])
})

test('a home that is there stays as it is', () => {
  skeleton()
  files.makeHome(home())
  writeFileSync(`${directory}/home/alice/mine`, 'mine')
  expect(files.makeHome(home())).toBe(false)
  expect(readFileSync(`${directory}/home/alice/mine`, 'utf8')).toBe('mine')
})

test('a home of another user is a fault, never a chown', () => {
  mkdirSync(`${directory}/home/alice`, { recursive: true })
  chownSync(`${directory}/home/alice`, 33, 33)
  expect(faultOf(() => files.makeHome(home()))).toContain('belongs to uid 33')
  expect(lstatSync(`${directory}/home/alice`).uid).toBe(33)
})

test('no symbolic link is followed, in the path or as the home', () => {
  skeleton()
  mkdirSync(`${directory}/elsewhere`)
  symlinkSync(`${directory}/elsewhere`, `${directory}/home`)
  expect(faultOf(() => files.makeHome(home()))).toContain('is a link or file')
  rmSync(`${directory}/home`)
  mkdirSync(`${directory}/home`)
  symlinkSync(`${directory}/elsewhere`, `${directory}/home/alice`)
  expect(faultOf(() => files.makeHome(home()))).toContain('not a directory')
  expect(readdirSync(`${directory}/elsewhere`)).toEqual([])
})

test('a skeleton that others can write is not copied', () => {
  skeleton()
  chmodSync(`${directory}/skel`, 0o777)
  expect(faultOf(() => files.makeHome(home()))).toContain('must be a directory of root')
  expect(existsSync(`${directory}/home/alice`)).toBe(false)
  expect(readdirSync(`${directory}/home`)).toEqual([])
})

test('a skeleton behind a link, or below a directory that others can write, is not copied', () => {
  skeleton()
  symlinkSync(`${directory}/skel`, `${directory}/link`)
  expect(faultOf(() => files.makeHome({ ...home(), skeleton: `${directory}/link` }))).toContain('and no link')
  mkdirSync(`${directory}/theirs/skel`, { recursive: true })
  chownSync(`${directory}/theirs`, 20001, 20001)
  expect(faultOf(() => files.makeHome({ ...home(), skeleton: `${directory}/theirs/skel` }))).toContain('theirs must be')
  expect(readdirSync(`${directory}/home`)).toEqual([])
})

test('without a skeleton the home is empty', () => {
  expect(files.makeHome(home())).toBe(true)
  expect(readdirSync(`${directory}/home/alice`)).toEqual([])
})

test('a line that was cut short on a full disk does not swallow the next one', () => {
  const path = `${directory}/cut.json`
  writeFileSync(path, '{"half":', { mode: 0o640 })
  files.append(path, '{"whole":1}\n', 0o640)
  files.append(path, '{"whole":2}\n', 0o640)
  expect(readFileSync(path, 'utf8')).toBe('{"half":\n{"whole":1}\n{"whole":2}\n')
})

test('no home is made below a directory that others can write', () => {
  for (const mode of [0o777, 0o775, 0o757]) {
    rmSync(`${directory}/home`, { recursive: true, force: true })
    mkdirSync(`${directory}/home`)
    chmodSync(`${directory}/home`, mode)
    expect(faultOf(() => files.makeHome(home()))).toContain('writable by nobody else')
    expect(readdirSync(`${directory}/home`)).toEqual([])
  }
})

test('appending follows no symbolic link', () => {
  const target = make('target', 0o640)
  symlinkSync(target, `${directory}/link`)
  expect(faultOf(() => files.append(`${directory}/link`, 'x', 0o640))).not.toBe('no fault')
  expect(readFileSync(target, 'utf8')).toBe('content')
})
