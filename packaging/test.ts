// Runs every suite as a process of its own and adds up what really ran: `bun packaging/test.ts [SUITE...]`. A suite that
// ends without its summary, or with no test in it, is a failure: process.exit(0) inside a test ends bun:test with 0.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { writeText } from '../modes/world/system.ts'

export type Suite = { readonly name: string; readonly patterns: readonly string[] }
export type Report = {
  readonly name: string
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly string[]
  readonly output: string
  readonly complaint: string | undefined
}

const root = resolve(import.meta.dir, '..')
const longestSuiteSeconds = 1800

/** What is not a unit test has a suite of its own. */
const apart = ['artefact', 'host', 'browser', 'scripts', 'vectors', 'fakes', 'demo', 'bench']

const suites: readonly Suite[] = [
  { name: 'unit', patterns: ['test/{architecture,docs,month}*.test.ts', ...under(...rooms())] },
  { name: 'artefact', patterns: under('artefact') },
  { name: 'transcripts', patterns: ['test/transcript.test.ts'] },
  { name: 'host', patterns: under('host') },
  { name: 'browser', patterns: under('browser') },
]

function under(...folders: readonly string[]): readonly string[] {
  return folders.map((folder) => `test/${folder}/**/*.test.ts`)
}

function rooms(): readonly string[] {
  const folders = [...new Bun.Glob('test/*/').scanSync({ cwd: root, onlyFiles: false })]
  return folders.map((folder) => folder.split('/')[1]!).filter((name) => !apart.includes(name))
}

const filesOf = (suite: Suite): readonly string[] =>
  suite.patterns.flatMap((pattern) => [...new Bun.Glob(pattern).scanSync(root)].sort())

const plain = (text: string): string =>
  text.replace(
    /&(lt|gt|quot|apos|amp);/g,
    (_, name: string) => ({ lt: '<', gt: '>', quot: '"', apos: "'" })[name] ?? '&',
  )

type Tally = { readonly tests: number; readonly failed: number; readonly skipped: readonly string[] }

/** Counts of a JUnit file as bun:test writes it: the root element sums, a skipped test holds `<skipped`. */
export function readJunit(xml: string): Tally | undefined {
  const sums = /<testsuites\b[^>]*>/.exec(xml)?.[0]
  const sum = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(sums ?? '')?.[1])
  const tests = sum('tests')
  const failed = sum('failures')
  if (!Number.isSafeInteger(tests) || !Number.isSafeInteger(failed)) return undefined
  const skipped = [...xml.matchAll(/<testcase name="([^"]*)"[^>]*[^/]>\s*<skipped/g)].map((match) => plain(match[1]!))
  return { tests, failed, skipped }
}

/**
 * Undefined when the run can be believed: a summary was printed, it counts what the file counts, and it is not empty.
 */
function complain(tally: Tally | undefined, output: string, code: number): string | undefined {
  const summary = /^Ran (\d+) tests? across /m.exec(output)
  if (!tally || !summary) return `ended with ${code} and without a summary`
  if (tally.tests === 0) return 'ran no test at all'
  if (Number(summary[1]) !== tally.tests) return `says ${summary[1]} tests and reports ${tally.tests}`
  if (code !== 0 && tally.failed === 0) return `ended with ${code} although no test failed`
  if (code === 0 && tally.failed > 0) return 'ended with 0 although tests failed'
  return undefined
}

/** Runs one suite. Its JUnit file goes to the directory given. */
export async function runSuite(suite: Suite, directory: string): Promise<Report> {
  const files = filesOf(suite)
  const empty = { name: suite.name, passed: 0, skipped: [] }
  if (files.length === 0) return { ...empty, failed: 1, output: '', complaint: 'has no test file' }
  const junit = join(directory, `${suite.name}.xml`)
  const reporter = ['--reporter=junit', `--reporter-outfile=${junit}`]
  const child = Bun.spawn([process.execPath, 'test', ...reporter, ...files.map((file) => `./${file}`)], {
    cwd: root,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: longestSuiteSeconds * 1000,
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  const output = `${stdout}${stderr}`
  const tally = existsSync(junit) ? readJunit(readFileSync(junit, 'utf8')) : undefined
  const complaint = complain(tally, stderr, code)
  if (!tally) return { ...empty, failed: 1, output, complaint }
  const failed = tally.failed + (complaint === undefined ? 0 : 1)
  const passed = tally.tests - tally.failed - tally.skipped.length
  return { name: suite.name, passed, failed, skipped: tally.skipped, output, complaint }
}

const counts = (passed: number, failed: number, skipped: number): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`

// Written when it returns: two writes that are not waited for may change places, and the count is the last line.
const say = (text: string): void => writeText(1, `${text}\n`)

/** What went wrong in full, without the tests that went well. */
function explain(report: Report): void {
  if (report.failed === 0) return
  const interesting = report.output.split('\n').filter((line) => !/^\((pass|skip)\)|^bun test v/.test(line))
  say(`\n=== ${report.name} ${report.complaint ?? 'failed'}\n${interesting.join('\n').trim()}`)
}

/** Last before the count, so that nobody takes a machine that refuses namespaces for one that passed. */
function warn(report: Report): void {
  for (const name of report.skipped) say(`NOT TESTED in ${report.name}: ${name}`)
}

async function main(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter((name) => !suites.some((suite) => suite.name === name))
  if (unknown.length > 0) {
    say(`there is no suite ${unknown.join(', ')}; the suites are ${suites.map((suite) => suite.name).join(', ')}`)
    return 64
  }
  const directory = mkdtempSync(join(tmpdir(), 'ob-test-'))
  const reports: Report[] = []
  try {
    for (const suite of suites.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
      const since = performance.now()
      const report = await runSuite(suite, directory)
      const seconds = ((performance.now() - since) / 1000).toFixed(1)
      const complaint = report.complaint === undefined ? '' : `: ${report.complaint}`
      say(`${report.name}: ${counts(report.passed, report.failed, report.skipped.length)} (${seconds} s)${complaint}`)
      reports.push(report)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  for (const report of reports) explain(report)
  for (const report of reports) warn(report)
  const total = (of: (report: Report) => number) => reports.reduce((sum, report) => sum + of(report), 0)
  const failed = total((report) => report.failed)
  say(
    counts(
      total((report) => report.passed),
      failed,
      total((report) => report.skipped.length),
    ),
  )
  return failed === 0 ? 0 : 1
}

if (import.meta.main) {
  process.exitCode = 70
  process.exitCode = await main(process.argv.slice(2))
}
