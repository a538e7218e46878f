// The rules of the house that a reader should be able to rely on without reading it all.
import { expect, test } from 'bun:test'
import { dirname, join } from 'node:path'

/** A row of the table of rooms in docs/architecture.md: rooms lowest first, and what each may import. */
type Room = { readonly name: string; readonly may: readonly string[] }

const page = await Bun.file('docs/architecture.md').text()
const rooms: readonly Room[] = [...page.matchAll(/^\| `([a-z-]+)` \| [^|]+ \| ([^|]+) \|$/gm)].map(([, name, may]) => ({
  name: name!,
  may: [...may!.matchAll(/`([a-z-]+)`/g)].map(([, room]) => room!),
}))

/** Each package has one door. */
const doors: Record<string, readonly string[]> = {
  citty: ['modes/run/args.ts'],
  ofetch: ['src/portal-client/http.ts'],
  'jose/jws/compact/verify': ['src/bastion/token.ts'],
  'jose/key/import': ['src/bastion/token.ts'],
  oauth4webapi: ['src/portal-client/device-grant.ts', 'src/portal-client/client-auth.ts', 'src/portal-server/oidc.ts'],
  uqr: ['src/base/qr-code.ts'],
  openpgp: ['src/gpg/engine.ts', 'src/gpg/lightweight.d.ts'],
  'hash-wasm': ['src/offline/argon2.ts'],
  'bun:ffi': ['modes/world/io/ffi.ts'],
  hono: ['src/portal-server/web.ts'],
  'hono/html': ['src/portal-server/pages.ts'],
  jose: ['src/portal-server/logout-token.ts'],
  'bun:sqlite': ['modes/world/database/sqlite.ts'],
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

/** What a file may import: rooms of src/, and folders of modes/. */
function allowedFor(file: string): readonly string[] {
  const [top, folder = ''] = file.split('/')
  if (top === 'src')
    return [folder, ...(rooms.find(({ name }) => name === folder)?.may ?? [])].map((room) => `src/${room}`)
  if (file.startsWith('modes/world/')) return ['src/base', 'modes/world']
  return [...rooms.map(({ name }) => `src/${name}`), 'modes/run', 'modes/world', `modes/${folder}`]
}

const roomOf = (path: string): string => path.split('/').slice(0, 2).join('/')

const importedRooms = async (file: string): Promise<readonly string[]> =>
  importsOf(await textOf(file))
    .filter((path) => path.startsWith('.') && !path.includes('/node_modules/'))
    .map((path) => roomOf(join(dirname(file), path)))

test('every room has a row, and every row a room', () => {
  const present = new Set(files.filter((file) => file.startsWith('src/')).map((file) => file.split('/')[1]!))
  expect(rooms.map(({ name }) => name).sort()).toEqual([...present].sort())
})

test.each(rooms)('$name may import only rooms that stand above it in the table', ({ name, may }) => {
  const above = rooms.slice(
    0,
    rooms.findIndex((room) => room.name === name),
  )
  for (const room of may) expect(above.map(({ name }) => name)).toContain(room)
})

test.each(rooms)('$name imports all that its row allows, so the table promises nothing more', async ({ name, may }) => {
  const used = new Set<string>()
  for (const file of files.filter((file) => file.startsWith(`src/${name}/`)))
    for (const room of await importedRooms(file)) used.add(room)
  for (const room of may) expect([...used]).toContain(`src/${room}`)
})

test.each(files)('%s imports only what its room may', async (file) => {
  const allowed = allowedFor(file)
  // The lists of modes load every mode.
  if (file === 'modes/ob.ts' || /^modes\/run\/(?:[a-z]+-)?modes\.ts$/.test(file)) return
  // The texts that come with the program are embedded by one file.
  const isText = (room: string): boolean => file === 'modes/admin/stock.ts' && /^(?:pam\.d|packaging)\//.test(room)
  for (const room of await importedRooms(file)) if (!isText(room)) expect(allowed).toContain(room)
})

const isPure = (file: string): boolean =>
  /^src\/(?:.*(?:^|[/-])(?:policy|format)|login\/(?:auth|account|session)|userdb\/protocol)\.ts$/.test(file)

/** Every file that this one imports, and what they import in turn; types are gone when the program runs. */
async function reachedFrom(file: string, seen = new Set<string>()): Promise<ReadonlySet<string>> {
  const text = (await textOf(file)).replace(/^(?:import|export) type [^']*?'[^']+'$/gm, '')
  for (const path of importsOf(text).filter((path) => path.startsWith('.'))) {
    const target = join(dirname(file), path)
    if (seen.has(target)) continue
    seen.add(target)
    await reachedFrom(target, seen)
  }
  return seen
}

test('there are pure files', () => expect(files.filter(isPure).length).toBeGreaterThan(40))

test.each(files.filter(isPure))(
  '%s is pure, as its name says: no World, not even through another file',
  async (file) => {
    const impure = /\bworld: |\b(?:ReadOnly)?World\b|\bHas</
    for (const reached of [file, ...(await reachedFrom(file))]) {
      const code = (await textOf(reached)).replace(/^\s*(?:\/\/|\/?\*).*$/gm, '')
      expect([reached, impure.exec(code)?.[0]]).toEqual([reached, undefined])
    }
  },
)

test('only the wiring of a login sees the whole World; every other file of src/ names the parts that it uses', async () => {
  const wiring = ['src/login/phases.ts', 'src/login/web-phase.ts', 'src/login/gpg-phase.ts', 'src/login/ports.ts']
  for (const file of files.filter(
    (file) => file.startsWith('src/') && !wiring.includes(file) && file !== 'src/base/world.ts',
  ))
    expect([
      file,
      /(?<!ReadOnly)\bWorld\b(?=[,;)\s=])/.exec((await textOf(file)).replace(/^\s*(?:\/\/|\/?\*).*$/gm, ''))?.[0],
    ]).toEqual([file, undefined])
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
    [...(await textOf(map)).matchAll(/import\('(\.[^']+)'\)/g)].map(([, path]) => join(dirname(map), path!))
  const modes = new Set((await Promise.all(maps.map(loaded))).flat())
  expect(modes.size).toBeGreaterThan(15)
  for (const file of files.filter((file) => file.startsWith('modes/') && !maps.includes(file)))
    for (const path of importsOf(await textOf(file))) {
      const target = join(dirname(file), path)
      expect([file, modes.has(target) ? target : '']).toEqual([file, ''])
    }
})

/**
 * Lines of each function, without the lines of functions inside it: a factory that returns a dozen short members is no
 * long function. The formatter puts the end of a function at the indent of its beginning.
 */
function functionSizes(lines: readonly string[]): readonly { readonly at: number; readonly size: number }[] {
  const sizes: { at: number; size: number }[] = []
  const open: { at: number; indent: number; inside: number }[] = []
  lines.forEach((line, index) => {
    const indent = line.length - line.trimStart().length
    if (/(?:\bfunction\b|=>).*[{(]$/.test(line)) open.push({ at: index + 1, indent, inside: 0 })
    const last = open.at(-1)
    if (last && last.at !== index + 1 && indent === last.indent && /^[})\]]/.test(line.trimStart())) {
      open.pop()
      const size = index + 2 - last.at
      sizes.push({ at: last.at, size: size - last.inside })
      const outer = open.at(-1)
      if (outer) outer.inside += size
    }
  })
  return sizes
}

test('the length of a function is found, without the functions inside it', () => {
  const text = 'function a() {\n  one\n  const b = () => {\n    two\n    three\n  }\n}\nconst c = 1'
  expect(functionSizes(text.split('\n'))).toEqual([
    { at: 3, size: 4 },
    { at: 1, size: 3 },
  ])
})

test.each(files)('%s stays readable', async (file) => {
  const lines = (await textOf(file)).split('\n')
  expect(lines.length).toBeLessThanOrEqual(306)
  // A sentence for a person is not broken in two.
  expect(lines.filter((line) => line.length > 120 && !/^\s*['`]/.test(line))).toEqual([])
  expect(functionSizes(lines).filter(({ size }) => size > 60)).toEqual([])
  expect(lines[0]).toMatch(/^(?:\/\/|\/\*\*)/)
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
  const heavy = /^(citty|uqr|hash-wasm|oauth4webapi|jose|openpgp|node:(crypto|tls|net|https?|stream|util))$/
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
