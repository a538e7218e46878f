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

/** Only these files of a room: the others talk to a network, and host tests look after them. */
const only: Readonly<Record<string, RegExp>> = { 'portal-client': /-(?:format|policy)\.ts$|\/endpoints\.ts$/ }

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

export function plan(room: string, count: number): readonly Planted[] {
  const files = [...new Bun.Glob(`src/${room}/*.ts`).scanSync(root)].filter((file) => (only[room] ?? /./).test(file))
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
  const child = Bun.spawn(['nice', '-n', '10', process.execPath, 'test', '--bail', '--timeout', '120000', ...paths], {
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

/** The file's own test first: most faults are noticed there, in a moment. */
function stagesOf(room: string, file: string): readonly (readonly string[])[] {
  const own = `test/${room}/${basename(file, '.ts')}.test.ts`
  const stages = [[`test/${room}`], ...(further[room] ? [further[room]] : [])]
  return existsSync(join(root, own)) ? [[own], ...stages] : stages
}

type Stage = { readonly tests: readonly string[]; readonly limit: number }

/** How long the tests may take: several times what they take without a fault. */
async function measure(room: string, files: readonly string[], copy: string): Promise<ReadonlyMap<string, Stage>> {
  const found = new Map<string, Stage>()
  for (const tests of files.flatMap((file) => stagesOf(room, file))) {
    if (found.has(tests.join())) continue
    const { noticed, seconds } = await runTests(copy, tests, 1200)
    if (noticed) throw new Error(`${tests.join(' ')} fails without any fault`)
    found.set(tests.join(), { tests, limit: 20 + 6 * seconds })
  }
  return found
}

async function judge(
  mutant: Planted,
  room: string,
  copy: string,
  stages: ReadonlyMap<string, Stage>,
): Promise<Verdict> {
  const { file, id, line, text } = mutant
  await Bun.write(join(copy, file), text)
  let fate: Verdict['fate'] = 'survived'
  for (const tests of stagesOf(room, file)) {
    if (fate === 'killed') break
    const { limit } = stages.get(tests.join())!
    if ((await runTests(copy, tests, limit)).noticed) fate = 'killed'
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
  const planted = plan(room, count)
  if (planted.length === 0) {
    console.error(`usage: npm run mutants -- ROOM [COUNT] [--again]; ${room || 'nothing'} is no room of src/`)
    return 64
  }
  const kept = join(root, 'build/mutants')
  mkdirSync(kept, { recursive: true })
  const path = join(kept, `${room}.jsonl`)
  const verdicts = new Map(readVerdicts(path).map((verdict) => [verdict.id, verdict]))
  const isOpen = (id: string) =>
    !verdicts.has(id) || (rest.includes('--again') && verdicts.get(id)?.fate === 'survived' && !explained().has(id))
  const open = planted.filter(({ id }) => isOpen(id))
  const lane = async (): Promise<void> => {
    const copy = copyTree()
    try {
      const stages = await measure(room, [...new Set(open.map(({ file }) => file))], copy)
      for (let next = open.shift(); next; next = open.shift()) {
        const verdict = await judge(next, room, copy, stages)
        verdicts.set(verdict.id, verdict)
        appendFileSync(path, `${JSON.stringify(verdict)}\n`)
      }
    } finally {
      rmSync(copy, { recursive: true, force: true })
    }
  }
  const lanes = open.length === 0 ? 0 : Math.min(open.length, availableParallelism())
  await Promise.all(Array.from({ length: lanes }, lane))
  return report(room, planted, verdicts)
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
