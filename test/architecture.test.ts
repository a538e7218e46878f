// The rules of the house that a reader should be able to rely on without reading it all.
import { expect, test } from 'bun:test'
import { dirname, join } from 'node:path'

const may: Record<string, readonly string[]> = {
  src: ['src'],
  'src/formats': ['src', 'src/formats'],
  'src/config': ['src', 'src/config', 'src/formats'],
  // decide/ judges what formats/ parsed: both are pure, so it may use their types and functions.
  'src/decide': ['src', 'src/decide', 'src/formats', 'src/config'],
  'src/ports': ['src', 'src/ports', 'src/decide', 'src/formats', 'src/config'],
  'modes/world': ['src', 'modes/world'],
  modes: ['src', 'src/ports', 'src/decide', 'src/formats', 'src/config', 'modes', 'modes/world'],
}

/** Each package has one door. */
const doors: Record<string, readonly string[]> = {
  citty: ['modes/run/args.ts'],
  ofetch: ['src/portal-client/http.ts'],
  oauth4webapi: ['src/portal-client/device-grant.ts', 'src/portal-client/client-auth.ts'],
  uqr: ['modes/admin/enroll.ts'],
  'hash-wasm': ['src/offline/argon2.ts'],
  'bun:ffi': ['modes/world/io/ffi.ts'],
}

/** What a mode is, is said in these three; the rest of modes/ is the furniture that they share. */
const maps = ['modes/run/modes.ts', 'modes/run/sshd-modes.ts', 'modes/run/pam-modes.ts']

const ambient =
  /\b(Date\.now|new Date\(\)|Math\.random|process\.[a-z]+[A-Z(.]|console\.|randomUUID)|(?<![.\w])fetch\(|'node:/
const bunItself = /\bBun\.(?!CryptoHasher)/

const files = [...new Bun.Glob('{src,modes}/**/*.ts').scanSync('.')].sort()
const textOf = (file: string): Promise<string> => Bun.file(file).text()
const importsOf = (text: string): readonly string[] =>
  [...text.matchAll(/(?:from|import\(|import) ?'([^']+)'/g)].map(([, path]) => path!)

test('there is something to look at', () => {
  expect(files.length).toBeGreaterThan(40)
})

// While the files move, a folder that has no line yet may import what src/ has. The table of rooms comes with the last.
test.each(files)('%s imports only its neighbours', async (file) => {
  const folder = dirname(file)
  if (!may[folder]) return
  for (const path of importsOf(await textOf(file)).filter((path) => path.startsWith('.'))) {
    expect(may[folder] ?? []).toContain(dirname(join(folder, path)))
  }
})

test.each(files)('%s comes to packages through their doors', async (file) => {
  for (const path of importsOf(await textOf(file))) if (doors[path]) expect(doors[path]).toContain(file)
})

test.each(files.filter((file) => file.startsWith('src/')))('%s has no ambient authority', async (file) => {
  const text = await textOf(file)
  expect(text).not.toMatch(ambient)
  if (!file.endsWith('/bytes.ts')) expect(text).not.toMatch(bunItself)
})

test('a mode is loaded by the map of modes, and no other file imports it', async () => {
  const loaded = async (map: string) =>
    [...(await textOf(map)).matchAll(/import\('(\.\/[^']+)'\)/g)].map(([, path]) => path!)
  const modes = new Set((await Promise.all(maps.map(loaded))).flat())
  expect(modes.size).toBeGreaterThan(15)
  for (const file of files.filter((file) => file.startsWith('modes/') && !maps.includes(file)))
    for (const path of importsOf(await textOf(file))) expect([file, modes.has(path) ? path : '']).toEqual([file, ''])
})

test.each(files)('%s stays readable', async (file) => {
  const lines = (await textOf(file)).split('\n')
  expect(lines.length).toBeLessThanOrEqual(330)
  // A sentence for a person is not broken in two.
  expect(lines.filter((line) => line.length > 120 && !/^\s*['`]/.test(line))).toEqual([])
})

test('the entry sets a failing exit status before anything else', async () => {
  const first = (await textOf('modes/ob.ts')).split('\n').find((line) => line !== '' && !line.startsWith('//'))
  expect(first).toBe('process.exitCode = 70')
})

test('only the real world may read the environment', async () => {
  for (const file of files)
    if (file !== 'modes/world/system.ts') expect(await textOf(file)).not.toContain('process.env')
})

/** The packages that these files import outright, and what they import in turn. */
async function packagesOf(...entries: readonly string[]): Promise<readonly string[]> {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return
    seen.add(file)
    const eager = (await textOf(file)).matchAll(/^(?:import|export) (?!type)[^']*?from '([^']+)'|^import '([^']+)'/gm)
    for (const [, named, bare] of eager) {
      const path = named ?? bare ?? ''
      if (path.startsWith('.')) await visit(join(dirname(file), path))
      else packages.add(path)
    }
  }
  for (const entry of entries) await visit(entry)
  expect(seen.size).toBeGreaterThan(entries.length)
  return [...packages].sort()
}

test('what the hot modes load is light', async () => {
  const heavy = /^(citty|uqr|hash-wasm|oauth4webapi|jose|node:(crypto|tls|net|https?|stream|util))$/
  const used = await packagesOf('modes/ob.ts', 'modes/run/privileged.ts', 'modes/pam/pam.ts')
  expect(used).toContain('node:fs')
  expect(used.filter((path) => heavy.test(path))).toEqual([])
})

test('what sshd runs for every key loads nothing but the program itself, and to read the door to the C library', async () => {
  expect(
    await packagesOf('modes/ob.ts', 'modes/run/unprivileged.ts', 'modes/sshd/keys.ts', 'modes/sshd/principals.ts'),
  ).toEqual([])
  expect(await packagesOf('modes/run/read.ts', 'modes/sshd/keys.ts')).toEqual(['bun:ffi'])
})
