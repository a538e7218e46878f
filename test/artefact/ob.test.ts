// The real program in hostile surroundings, as far as that needs no host: what it says and how it ends is what it says
// and how it ends anywhere else. The modes that decide are tried in the same surroundings by the host suite.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runBuild } from './artefact.ts'
import { type HostileCase, hostileCases, prepare, takeTraces } from './hostile.ts'

const home = mkdtempSync(join(tmpdir(), 'ob-program-'))
const directory = join(home, 'cwd')
mkdirSync(directory)
const place = prepare(directory)
const program = join(home, 'ob')

beforeAll(async () => {
  const root = join(import.meta.dir, '../..')
  const { code, text } = await runBuild(join(root, 'modes/ob.ts'), program, root)
  if (code !== 0) throw new Error(`the build failed:\n${text}`)
}, 60_000)

afterAll(() => {
  place.trap.close()
  rmSync(home, { recursive: true, force: true })
})

async function run(args: readonly string[], hostile: Omit<HostileCase, 'name'>, cwd: string) {
  const child = Bun.spawn([program, ...args], {
    cwd,
    env: { PATH: '/usr/bin:/bin', ...hostile.env },
    ...(hostile.argv0 === undefined ? {} : { argv0: hostile.argv0 }),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 15_000,
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code, stdout, stderr }
}

test.each(hostileCases(place))('ob ends as it does anywhere with $name', async (hostile) => {
  for (const args of [['version'], ['verdict'], ['constructor'], ['run', 'pam'], ['--version-of-bun']])
    expect(await run(args, hostile, directory)).toEqual(await run(args, { env: {} }, '/'))
  expect(takeTraces(place)).toEqual([])
  expect(place.trap.connections).toBe(0)
})

test('only what ob knows ends with 0', async () => {
  expect((await run(['version'], { env: {} }, '/')).code).toBe(0)
  for (const name of ['verdict', 'constructor', 'toString', '__proto__', 'run', 'x', '-e', '--eval', 'repl'])
    expect((await run([name], { env: {} }, '/')).code).not.toBe(0)
})
