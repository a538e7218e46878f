// Every option of the build is in force on what it makes, and a lost one is noticed.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildOptions, execArgv } from '../../packaging/build.ts'
import { harden, inertNames } from '../../packaging/tools/harden.ts'
import { countInstructions } from '../bench/instructions.ts'
import { buildFixture, fixture, runBuild } from './artefact.ts'

const home = mkdtempSync(join(tmpdir(), 'ob-build-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

let program = ''
beforeAll(async () => {
  program = (await buildFixture(home)).path
}, 240_000)

async function run(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn([file, ...args], {
    env: { ...env },
    cwd: home,
    stdout: 'pipe',
    stderr: 'pipe',
    stdin: 'ignore',
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code, stdout, stderr }
}

test('two builds from two directories and environments are bit-identical', async () => {
  const elsewhere = join(home, 'elsewhere')
  mkdirSync(elsewhere)
  const env = { NODE_ENV: 'development', TZ: 'Asia/Tokyo', LANG: 'C.UTF-8', OB_SECRET: 'x' }
  const built = await runBuild(fixture, join(elsewhere, 'program'), elsewhere, env)
  expect(built).toEqual({ code: 0, text: '' })
  const [first, second] = [readFileSync(program), readFileSync(join(elsewhere, 'program'))]
  expect(first.equals(second)).toBe(true)
  expect(readdirSync(elsewhere)).toEqual(['program'])
}, 240_000)

test('a failed build says why and leaves the last good executable and nothing else', async () => {
  const place = join(home, 'failing')
  mkdirSync(place)
  await Bun.write(join(place, 'program'), 'the last good one')
  const built = await runBuild(join(import.meta.dir, 'fixture/opaque.ts'), join(place, 'program'), place)
  expect(built.code).not.toBe(0)
  expect(built.text).toContain('opaque.ts')
  expect(readdirSync(place)).toEqual(['program'])
  expect(await Bun.file(join(place, 'program')).text()).toBe('the last good one')
}, 240_000)

test('the flags against code from strings and disk are baked in, and nothing follows them', async () => {
  expect(execArgv[0]).toBe('--disallow-code-generation-from-strings=strict')
  expect(execArgv.at(-1)).toBe('--')
  expect(await run(program, ['exec-argv'])).toEqual({ code: 0, stdout: `${JSON.stringify(execArgv)}\n`, stderr: '' })
})

test('arguments reach the program untouched, whatever they look like', async () => {
  for (const args of [['--version'], ['--eval', '1'], ['--', 'verdict'], ['-p', '1'], ['run', 'verdict'], []])
    expect(await run(program, args)).toEqual({ code: 64, stdout: '', stderr: '' })
})

test('lazy modules are files of their own inside the executable', async () => {
  expect(readFileSync(program).includes('/$bunfs/root/chunk-')).toBe(true)
  expect(await run(program, ['lazy'])).toEqual({ code: 0, stdout: 'lazy module loaded\n', stderr: '' })
})

test('bytecode saves at least a third of the instructions of a start', async () => {
  const plain = join(home, 'plain')
  const { compile, ...options } = buildOptions(fixture, plain, process.execPath)
  await Bun.build({ ...options, bytecode: false, compile })
  const [hardened, source] = [program, plain].map((file) => countInstructions({ argv: [file, 'verdict'], env: {} }))
  expect(hardened?.instructions).toBeGreaterThan(0)
  expect(hardened!.instructions / source!.instructions).toBeLessThan(0.67)
}, 240_000)

test('each option that only shows in the bytes reaches the executable', async () => {
  const make = async (name: string, changed: Partial<Bun.CompileBuildOptions>) => {
    const { compile, ...options } = buildOptions(fixture, join(home, name, 'program'), process.execPath)
    await Bun.build({ ...options, compile: { ...compile, ...changed } })
    return readFileSync(join(home, name, 'program'))
  }
  const ours = await make('ours', {})
  expect(ours.equals(await make('again', {}))).toBe(true)
  expect(ours.equals(await make('jit', { jitPolicy: 1 }))).toBe(false)
  expect(ours.equals(await make('tsconfig', { autoloadTsconfig: true }))).toBe(false)
  expect(ours.equals(await make('package', { autoloadPackageJson: true }))).toBe(false)
}, 240_000)

test('no source, no source map and no path of the build is inside', () => {
  const image = readFileSync(program)
  expect(image.includes('A request with the same explicit options')).toBe(false)
  expect(image.includes('bareRequest')).toBe(false)
  expect(image.includes(import.meta.dir)).toBe(false)
})

test('every name of the table stood in the pinned Bun and none is left', () => {
  const [before, after] = [readFileSync(process.execPath), readFileSync(program)]
  for (const name of inertNames(process.arch === 'arm64' ? 'arm64' : 'x64').keys()) {
    expect(before.includes(`\0${name}\0`)).toBe(true)
    expect(after.includes(`\0${name}\0`)).toBe(false)
  }
})

test('a runtime with a name missing, twice or unheard of is refused', () => {
  const names = [...inertNames('x64').keys()]
  const image = (list: readonly string[]) => Buffer.from(`\0${list.join('\0')}\0`, 'latin1')
  expect(() => harden(image(names.slice(1)), 'x64')).toThrow(`${names[0]} is 0 times in this Bun, not 1`)
  expect(() => harden(image([...names, 'SSL_CERT_FILE']), 'x64')).toThrow('SSL_CERT_FILE is 2 times in this Bun, not 1')
  expect(() => harden(image([...names, 'BUN_SURPRISE']), 'x64')).toThrow('this Bun knows BUN_SURPRISE')
  expect(() => harden(image(names), 'x64')).toThrow('glued to others 0 times')
})

test('a misspelt option does not pass the type check', () => {
  // Were it accepted, the directives would be unused, and tsc(1) would say so.
  const options = [
    // @ts-expect-error autoloadBunfigg is no option of Bun.build
    { entrypoints: [], compile: { outfile: 'x', autoloadBunfigg: false } } satisfies Bun.BuildConfig,
    // @ts-expect-error allowUnresolvedd is no option of Bun.build
    { entrypoints: [], allowUnresolvedd: [] } satisfies Bun.BuildConfig,
  ]
  expect(options).toHaveLength(2)
})
