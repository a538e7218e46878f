// Runs suites side by side, each as a process of its own, and adds up what really ran: `bun packaging/test.ts [NAME...]`.
// A suite that ends without its summary, or with no test in it, is a failure: process.exit(0) inside a test ends bun:test with 0.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeText } from '../modes/world/system.ts'
import { filesOf, root, type Suite, select } from './suites.ts'

export type Report = {
  readonly name: string
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly string[]
  readonly output: string
  readonly complaint: string | undefined
}

const longestSuiteSeconds = 1800

/** For tests that name no limit of their own: a limit ends what hangs, and does not say how fast a machine is. */
const testLimit = ['--timeout', '30000']

/** More than there are processors: a host test waits for half of its time. */
const lanes = Math.min(8, 2 * availableParallelism())

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
  const junit = join(directory, `${suite.name.replaceAll('/', '-')}.xml`)
  const reporter = ['--reporter=junit', `--reporter-outfile=${junit}`]
  const child = Bun.spawn([process.execPath, 'test', ...testLimit, ...reporter, ...files.map((file) => `./${file}`)], {
    cwd: root,
    env: { ...process.env, ...(suite.served === true && { OB_SERVED: '1' }) },
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

/** Runs and reports one suite. */
async function run(suite: Suite, directory: string): Promise<Report> {
  const since = performance.now()
  const report = await runSuite(suite, directory)
  const seconds = ((performance.now() - since) / 1000).toFixed(1)
  const complaint = report.complaint === undefined ? '' : `: ${report.complaint}`
  say(`${report.name}: ${counts(report.passed, report.failed, report.skipped.length)} (${seconds} s)${complaint}`)
  return report
}

/** In the order given: as many at a time as there are lanes, but first those that run alone. */
async function runAll(suites: readonly Suite[], directory: string): Promise<readonly Report[]> {
  const reports: Report[] = []
  for (const suite of suites.filter(({ alone }) => alone)) reports.push(await run(suite, directory))
  const waiting = suites.filter(({ alone }) => !alone)
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) reports.push(await run(next, directory))
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return reports
}

/** When more than these fail, it is no accident. */
const mostSecondTries = 3

/**
 * What failed beside other suites runs once more, alone: a host that waits for a processor is not a broken one. What
 * passes then is counted as passed, and its first failure is printed all the same.
 */
export async function tryAgain(
  reports: readonly Report[],
  runAlone: (name: string) => Promise<Report | undefined>,
): Promise<{ readonly reports: readonly Report[]; readonly unstable: readonly Report[] }> {
  const failed = reports.filter((report) => report.failed > 0)
  if (failed.length > mostSecondTries) return { reports, unstable: [] }
  const unstable: Report[] = []
  const settled = new Map<string, Report>()
  for (const first of failed) {
    const second = await runAlone(first.name)
    if (second === undefined || second.failed > 0) continue
    unstable.push(first)
    settled.set(first.name, second)
  }
  return { reports: reports.map((report) => settled.get(report.name) ?? report), unstable }
}

async function main(names: readonly string[]): Promise<number> {
  const selection = select(names)
  if (selection.kind === 'unknown') {
    say(`there are no tests called ${selection.names.join(', ')}; choose from ${selection.known.join(', ')}`)
    say('or name one file: host/keys is test/host/keys.test.ts')
    return 64
  }
  const directory = mkdtempSync(join(tmpdir(), 'ob-test-'))
  try {
    const first = await runAll(selection.suites, directory)
    const beside = new Map(selection.suites.filter(({ alone }) => !alone).map((suite) => [suite.name, suite]))
    const { reports, unstable } = await tryAgain(first, async (name) => {
      const suite = beside.get(name)
      return beside.size > 1 && suite ? run(suite, directory) : undefined
    })
    for (const report of unstable) explain(report)
    for (const { name } of unstable) say(`UNSTABLE: ${name} failed beside other suites, as above, and passed alone`)
    return summarize(reports)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function summarize(reports: readonly Report[]): number {
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
