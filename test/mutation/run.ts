// `npm run mutants -- ROOM [COUNT]`: plants faults in a copy of the room, one at a time, and looks whether the room's
// tests notice. A run that is stopped goes on where it was; `--again` tries the survivors once more.
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { root } from '../../packaging/suites.ts'
import { type Mutant, mutantsOf } from './mutants.ts'

type Planted = Mutant & { readonly file: string; readonly id: string }
type Verdict = {
  readonly id: string
  readonly file: string
  readonly line: number
  readonly fate: 'killed' | 'survived'
}

const usualCount = 60

/** Files that decide or parse, by their names (docs/architecture.md); the others with --all. */
const pure = /(?:policy|-format|login\/(?:auth|account|session)|userdb\/protocol)\.ts$/

/** Tests of the modes that carry a room's decisions out; asked when the room's own noticed nothing. */
const further: Readonly<Record<string, readonly string[]>> = {
  accounts: ['test/modes/admin/nss.test.ts'],
  login: ['test/modes/pam'],
  lockout: ['test/modes/pam/pam.test.ts'],
  offline: ['test/modes/pam/offline.test.ts', 'test/modes/admin/cache.test.ts'],
  audit: ['test/modes/timer'],
  secrets: ['test/modes/admin/secret.test.ts'],
  ssh: ['test/modes/sshd'],
  'portal-client': ['test/modes/timer'],
}

/** The same for the same text, whatever else changes in the tree. */
function order(id: string): string {
  return new Bun.CryptoHasher('sha256').update(id).digest('hex')
}

export function plan(room: string, count: number, isWhole = false): readonly Planted[] {
  const files = [...new Bun.Glob(`src/${room}/*.ts`).scanSync(root)].filter((file) => isWhole || pure.test(file))
  const all = files.flatMap((file) => {
    const seen = new Map<string, number>()
    return mutantsOf(readFileSync(join(root, file), 'utf8')).map((mutant) => {
      const name = `${file}: ${mutant.before}  =>  ${mutant.after}`
      const times = (seen.get(name) ?? 0) + 1
      seen.set(name, times)
      return { ...mutant, file, id: times === 1 ? name : `${name}  (${times})` }
    })
  })
  return all.toSorted((a, b) => (order(a.id) < order(b.id) ? -1 : 1)).slice(0, count)
}

/** A copy of what tests need, so that no fault is ever planted in the tree. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'ob-mutants-'))
  for (const name of ['src', 'modes', 'test', 'packaging', 'docs', 'pam.d', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

type Ran = { readonly noticed: boolean; readonly seconds: number }

async function runTests(copy: string, tests: readonly string[], limit: number): Promise<Ran> {
  const since = performance.now()
  const paths = tests.map((path) => `./${path}`)
  const child = Bun.spawn(['nice', '-n', '2', process.execPath, 'test', '--bail', '--timeout', '120000', ...paths], {
    cwd: copy,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
    timeout: Math.ceil(limit * 1000),
    killSignal: 'SIGKILL',
  })
  const code = await child.exited
  return { noticed: code !== 0, seconds: (performance.now() - since) / 1000 }
}

const tests = [...new Bun.Glob('test/{*,modes/*}/*.test.ts').scanSync(root)].sort()

type Stage = readonly string[]

/** The file's own test first: most faults are noticed there, in a moment. Then those that import it, then the room. */
function stagesOf(room: string, file: string, isQuick: boolean): readonly Stage[] {
  const own = tests.filter((path) => path === `test/${room}/${basename(file, '.ts')}.test.ts`)
  const near = tests
    .filter((path) => path.startsWith(`test/${room}/`) && !own.includes(path))
    .filter((path) => readFileSync(join(root, path), 'utf8').includes(file))
  const far = isQuick && own.length + near.length > 0 ? [] : [[`test/${room}`], further[room] ?? []]
  return [own, near, ...far].filter((stage) => stage.length > 0)
}

/** Seconds that these tests may take: several times what they take without a fault. */
async function measure(stages: readonly Stage[], copy: string): Promise<ReadonlyMap<string, number>> {
  const limits = new Map<string, number>()
  for (const stage of stages) {
    if (limits.has(stage.join())) continue
    const { noticed, seconds } = await runTests(copy, stage, 1200)
    if (noticed) throw new Error(`${stage.join(' ')} fails without any fault`)
    limits.set(stage.join(), 20 + 6 * seconds)
  }
  return limits
}

type Judging = {
  readonly copy: string
  readonly stages: readonly Stage[]
  readonly limits: ReadonlyMap<string, number>
}

async function judge({ file, id, line, text }: Planted, { copy, stages, limits }: Judging): Promise<Verdict> {
  await Bun.write(join(copy, file), text)
  let fate: Verdict['fate'] = 'survived'
  for (const stage of stages) {
    if (fate === 'killed') break
    if ((await runTests(copy, stage, limits.get(stage.join())!)).noticed) fate = 'killed'
  }
  cpSync(join(root, file), join(copy, file))
  return { id, file, line, fate }
}

const readVerdicts = (path: string): readonly Verdict[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Verdict)
    : []

/** Mutants that survivors.md explains: nobody could tell them from the program. */
export const explained = (): ReadonlySet<string> =>
  new Set(
    [...readFileSync(join(import.meta.dir, 'survivors.md'), 'utf8').matchAll(/^ {4}(src\/.+)$/gm)].map(([, id]) => id!),
  )

async function main([room = '', ...rest]: readonly string[]): Promise<number> {
  const count = Number(rest.find((word) => /^\d+$/.test(word)) ?? usualCount)
  const planted = plan(room, count, rest.includes('--all'))
  if (planted.length === 0) {
    console.error(`usage: npm run mutants -- ROOM [COUNT] [--again] [--all] [--quick]; no room of src/: ${room}`)
    return 64
  }
  const kept = join(root, 'build/mutants')
  mkdirSync(kept, { recursive: true })
  const path = join(kept, `${room}.jsonl`)
  const verdicts = new Map(readVerdicts(path).map((verdict) => [verdict.id, verdict]))
  const known = explained()
  const isAgain = (id: string) => rest.includes('--again') && verdicts.get(id)?.fate === 'survived' && !known.has(id)
  const open = planted.filter(({ id }) => !verdicts.has(id) || isAgain(id))
  await judgeAll(room, open, rest.includes('--quick'), (verdict) => {
    verdicts.set(verdict.id, verdict)
    appendFileSync(path, `${JSON.stringify(verdict)}\n`)
  })
  return report(room, planted, verdicts)
}

/** As many at a time as there are processors, each in a copy of its own. */
async function judgeAll(
  room: string,
  planted: readonly Planted[],
  isQuick: boolean,
  keep: (verdict: Verdict) => void,
): Promise<void> {
  if (planted.length === 0) return
  const stages = new Map(planted.map(({ file }) => [file, stagesOf(room, file, isQuick)]))
  const copies = Array.from({ length: availableParallelism() }, copyTree)
  try {
    const limits = await measure([...stages.values()].flat(), copies[0]!)
    const waiting = [...planted]
    const lane = async (copy: string): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift())
        keep(await judge(next, { copy, limits, stages: stages.get(next.file)! }))
    }
    await Promise.all(copies.map(lane))
  } finally {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true })
  }
}

function report(room: string, planted: readonly Planted[], verdicts: ReadonlyMap<string, Verdict>): number {
  const survivors = planted.filter(({ id }) => verdicts.get(id)?.fate === 'survived')
  const known = explained()
  const open = survivors.filter(({ id }) => !known.has(id))
  for (const { id, line } of open) console.log(`survived, line ${line}: ${id}`)
  const noticed = planted.length - survivors.length
  const equal = survivors.length - open.length
  const share = ((100 * noticed) / (planted.length - equal)).toFixed(1)
  console.log(`${room}: ${noticed} of ${planted.length} noticed, ${equal} explained, ${open.length} open: ${share} %`)
  return open.length === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
