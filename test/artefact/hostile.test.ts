// Nothing in the current directory or the environment may run code, open a port, write a file or change an answer.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Built, buildFixture } from './artefact.ts'
import { forge, type HostileCase, hostileCases, prepare, takeTraces } from './hostile.ts'

const home = mkdtempSync(join(tmpdir(), 'ob-hostile-'))
const directory = join(home, 'cwd')
mkdirSync(directory)
const place = prepare(directory)
forge(home, 'good')
const cases = hostileCases(place)

let program: Built
beforeAll(async () => {
  program = await buildFixture(home)
}, 60_000)

const serve = (cert: string, key: string) =>
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    tls: { cert: Bun.file(cert), key: Bun.file(key) },
    fetch: () => new Response('hello', { headers: { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' } }),
  })
const good = serve(join(home, 'good.pem'), join(home, 'good.key'))
const evil = serve(join(directory, 'evil.pem'), join(directory, 'evil.key'))

afterAll(() => {
  good.stop(true)
  evil.stop(true)
  place.trap.close()
  rmSync(home, { recursive: true, force: true })
})

const clean = { PATH: '/usr/bin:/bin' }

async function run(hostile: HostileCase, args: readonly string[], file = program.path) {
  const before = place.trap.connections
  const child = Bun.spawn([file, ...args], {
    cwd: directory,
    env: { ...clean, ...hostile.env },
    ...(hostile.argv0 === undefined ? {} : { argv0: hostile.argv0 }),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 15_000,
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code, stdout, stderr, traces: takeTraces(place), connections: place.trap.connections - before }
}

const untouched = { stderr: '', traces: [], connections: 0 }

test.each(cases)('a verdict is the same with $name', async (hostile) => {
  expect(await run(hostile, ['verdict'])).toEqual({ ...untouched, code: 1, stdout: 'denied\n' })
})

test.each(cases)('an unknown mode never becomes a success with $name', async (hostile) => {
  expect(await run(hostile, ['pam'])).toEqual({ ...untouched, code: 64, stdout: '' })
})

test.each(cases)('the trusted server is reached directly with $name', async (hostile) => {
  const result = await run(hostile, ['request', `https://127.0.0.1:${good.port}/`, join(home, 'good-ca.pem')])
  expect(result).toEqual({ ...untouched, code: 0, stdout: 'answered 200 hello\n' })
})

test.each(cases)('a server that the attacker certified is refused with $name', async (hostile) => {
  const result = await run(hostile, ['request', `https://127.0.0.1:${evil.port}/`, join(home, 'good-ca.pem')])
  expect(result).toEqual({ ...untouched, code: 0, stdout: 'refused\n' })
})

test.each(cases.filter((hostile) => !hostile.closedByProgram))(
  'even a request without options trusts nobody new with $name',
  async (hostile) => {
    const result = await run(hostile, ['bare-request', `https://127.0.0.1:${evil.port}/`])
    expect(result).toEqual({ ...untouched, code: 0, stdout: 'refused\n' })
  },
)

test.each(['bun', 'bunx', 'node', 'bun-debug'])('a symbolic link called %s is still the program', async (name) => {
  const link = join(home, name)
  symlinkSync(program.path, link)
  expect(await run({ name, env: {} }, ['verdict'], link)).toEqual({ ...untouched, code: 1, stdout: 'denied\n' })
})

test.each(['BUN_INSPECT', 'BUN_OPTIONS'])('a debugger finds no port to connect to with %s', async (variable) => {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = probe
  probe.stop(true)
  const child = Bun.spawn([program.path, 'linger', '600'], {
    cwd: directory,
    env: { ...clean, [variable]: `${variable === 'BUN_OPTIONS' ? '--inspect=' : ''}127.0.0.1:${port}` },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const open: boolean[] = []
  while (child.exitCode === null && child.signalCode === null) {
    open.push(
      await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } }).then(
        (socket) => socket.end() === undefined,
        () => false,
      ),
    )
    await Bun.sleep(50)
  }
  expect(open.length).toBeGreaterThan(3)
  expect(open).not.toContain(true)
  expect(await child.stdout.text()).toBe('done\n')
})

test.each(['eval', 'function'])('%s of text is refused', async (mode) => {
  expect(await run({ name: '', env: {} }, [mode])).toEqual({ ...untouched, code: 0, stdout: 'refused\n' })
})

test.each(['require', 'worker'])('%s of a file on disk is refused and runs nothing', async (mode) => {
  const result = await run({ name: '', env: {} }, [mode, join(directory, 'evil.js')])
  expect(result).toEqual({ ...untouched, code: 0, stdout: 'refused\n' })
})

test('what the attacker wrote would have left a trace', () => {
  writeFileSync(join(directory, 'witness'), '')
  expect(takeTraces(place)).toEqual(['witness'])
  expect(takeTraces(place)).toEqual([])
})
