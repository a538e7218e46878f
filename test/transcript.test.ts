// Runs the transcripts in scripts/ against the compiled program, in a mount namespace whose /var/log and /run are its
// own. A transcript is read top to bottom:
//   # a comment           env NAME=VALUE …    environment of the next run: just this, twice where it says so
//   stdin TEXT            what it reads; \xHH is a byte
//   ob ARGUMENTS          the run
//   exit N                its status
//   stdout TEXT           what it printed, whole; without a text: nothing. Several lines are several `stdout` lines
//   stdout~ TEXT          a part of it                                  (stderr and stderr~ alike)
//   audit TEXT            a part of the last audit line
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { modes } from '../modes/run/modes.ts'

const program = resolve(import.meta.dir, '../dist/ob')
const launcher = join(import.meta.dir, 'execve.ts')
const scripts = join(import.meta.dir, 'scripts')

let surroundings: string
beforeAll(() => {
  surroundings = mkdtempSync(join(tmpdir(), 'ob-transcript-'))
})
afterAll(() => rmSync(surroundings, { recursive: true }))

type Run = { readonly status: number; readonly stdout: string; readonly stderr: string; readonly audit: string }

const isolated = `
mount -t tmpfs tmpfs /var/log && mount -t tmpfs tmpfs /run || exit 99
"$@"
status=$?
cat /var/log/open-bastion/audit.json >"$AUDIT" 2>/dev/null
exit $status`

function run(args: readonly string[], env: readonly string[], stdin: string): Run {
  const audit = join(surroundings, 'audit')
  rmSync(audit, { force: true })
  const command = [
    'unshare',
    '--mount',
    'sh',
    '-c',
    isolated,
    'sh',
    process.execPath,
    launcher,
    program,
    JSON.stringify(env),
    ...args,
  ]
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', AUDIT: audit },
    stdin: Buffer.from(stdin, 'latin1'),
    cwd: surroundings,
  })
  const lines = existsSync(audit) ? readFileSync(audit, 'utf8') : ''
  return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString(), audit: lines }
}

const bytesOf = (text: string): string =>
  text.replace(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))

function perform(text: string): void {
  let env: string[] = []
  let stdin = ''
  let last: Run | undefined
  const expected = { stdout: [] as string[], stderr: [] as string[] }
  const settle = (): void => {
    for (const stream of ['stdout', 'stderr'] as const)
      if (expected[stream].length > 0)
        expect(last?.[stream]).toBe(expected[stream].map((line) => (line === '' ? '' : `${line}\n`)).join(''))
    expected.stdout = []
    expected.stderr = []
  }
  for (const line of text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))) {
    const [, word, rest = ''] = /^(\S+) ?(.*)$/.exec(line)!
    if (word === 'env') env = rest.split(' ')
    else if (word === 'stdin') stdin = bytesOf(rest)
    else if (word === 'ob') {
      settle()
      last = run(rest === '' ? [] : rest.split(' '), env, stdin)
      env = []
      stdin = ''
    } else if (word === 'exit') expect([line, last?.status]).toEqual([line, Number(rest)])
    else if (word === 'stdout' || word === 'stderr') expected[word].push(rest)
    else if (word === 'stdout~' || word === 'stderr~')
      expect(last?.[word === 'stdout~' ? 'stdout' : 'stderr']).toContain(rest)
    else if (word === 'audit') expect(last?.audit.trimEnd().split('\n').at(-1)).toContain(rest)
    else throw new Error(`a transcript has no word "${word}"`)
  }
  settle()
}

test.each(readdirSync(scripts).sort())('%s', (name) => perform(readFileSync(join(scripts, name), 'utf8')), 60_000)

const verbs: Readonly<Record<string, string>> = {
  krl: 'status',
  'service-account': 'list',
  secret: 'list',
  gpg: 'list',
  recovery: 'list',
  nss: 'list',
  notify: 'list',
  portal: 'check',
  weblogin: 'approvals',
  cache: 'list',
  setup: 'status',
  why: 'alice',
  ca: 'status',
}

test('whoever asks for JSON reads JSON, on a host without configuration and with wrong arguments too', async () => {
  const asked: string[] = []
  for (const [name, entry] of modes) {
    const { syntax } = await entry.load()
    if (!syntax || !Object.hasOwn(syntax.args, 'json')) continue
    asked.push(name)
    const words = verbs[name] === undefined ? [name] : [name, verbs[name]]
    for (const args of [
      [...words, '--json'],
      [...words, '--json', '--no-such-option'],
    ]) {
      const { stdout, status } = run(args, [], '')
      const lines = stdout.trimEnd().split('\n')
      expect([args, status, lines.every((line) => typeof JSON.parse(line) === 'object')]).toEqual([args, status, true])
      if (status !== 0) expect([args, stdout]).toEqual([args, expect.stringMatching(/"(error|findings)":/)])
    }
  }
  expect(asked).toContain('enroll')
  expect(asked.length).toBeGreaterThan(12)
}, 120_000)
