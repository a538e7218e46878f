// Runs the rows of a plan inside the lab, interleaved, and prints what they took: `bun runner.ts PLAN.json`.
// Interleaved, because this kind of machine drifts by a factor of two between one minute and the next.
import { readFileSync } from 'node:fs'
import { countInstructions } from './instructions.ts'

export type Row = {
  readonly name: string
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** A new one-time token for this user goes to standard input, as pam_exec or a person would hand it over. */
  readonly tokenFor?: { readonly user: string; readonly ending: string }
  /** Through pam_exec, several programs run; instructions are counted for the program itself only. */
  readonly countable: boolean
}
export type Plan = { readonly control: string; readonly rounds: number; readonly rows: readonly Row[] }
export type Measure = {
  readonly name: string
  readonly medianMs: number
  readonly residentMb: number | undefined
  readonly instructions: number | undefined
  readonly tool: string | undefined
  /** Why there are no numbers. */
  readonly failed: string | undefined
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

async function stdinOf(plan: Plan, row: Row): Promise<string> {
  if (row.tokenFor === undefined) return ''
  const body = JSON.stringify({ user: row.tokenFor.user })
  const reply = await fetch(`${plan.control}/mintToken`, { method: 'POST', body })
  const { result } = (await reply.json()) as { readonly result: string }
  return result + row.tokenFor.ending
}

async function once(plan: Plan, row: Row) {
  const stdin = Buffer.from(await stdinOf(plan, row))
  const since = performance.now()
  const run = Bun.spawnSync([...row.argv], { env: { ...row.env }, stdin, stdout: 'pipe', stderr: 'pipe' })
  const ms = performance.now() - since
  const said = `${run.stdout}${run.stderr}`.trim().split('\n').at(-1) ?? ''
  return {
    ms,
    residentMb: run.resourceUsage.maxRSS / 2 ** 20,
    failed: run.exitCode === 0 ? undefined : `ended with ${run.exitCode}: ${said}`,
  }
}

/** By time(1): a child's own maximum begins with that of its parent, and this one is a whole Bun. */
async function resident(plan: Plan, row: Row): Promise<number | undefined> {
  const time = Bun.which('time', { PATH: '/usr/bin' })
  if (time === null) return undefined
  const stdin = Buffer.from(await stdinOf(plan, row))
  const run = Bun.spawnSync([time, '-f', '%M', ...row.argv], { env: { ...row.env }, stdin, stderr: 'pipe' })
  const kib = Number(run.stderr.toString().trim().split('\n').at(-1))
  return run.exitCode === 0 && Number.isSafeInteger(kib) ? kib / 1024 : undefined
}

async function measure(plan: Plan): Promise<readonly Measure[]> {
  const failed = new Map<string, string>()
  for (const row of plan.rows) {
    const first = await once(plan, row)
    if (first.failed !== undefined) failed.set(row.name, first.failed)
  }
  const good = plan.rows.filter((row) => !failed.has(row.name))
  const samples = new Map(good.map((row) => [row.name, [] as number[]]))
  for (let round = 0; round < plan.rounds; round++) {
    const order = good.map((_, at) => good[(at + round) % good.length]!)
    for (const row of round % 2 === 0 ? order : order.reverse()) {
      const sample = await once(plan, row)
      if (sample.failed !== undefined) failed.set(row.name, sample.failed)
      samples.get(row.name)!.push(sample.ms)
    }
  }
  const measures: Measure[] = []
  for (const row of plan.rows) {
    const taken = samples.get(row.name) ?? []
    const run = { argv: row.argv, env: row.env, stdin: row.countable ? await stdinOf(plan, row) : '' }
    const count = row.countable && !failed.has(row.name) ? countInstructions(run) : undefined
    measures.push({
      name: row.name,
      medianMs: median(taken),
      residentMb: row.countable ? await resident(plan, row) : undefined,
      instructions: count?.instructions,
      tool: count?.tool,
      failed: failed.get(row.name),
    })
  }
  return measures
}

if (import.meta.main) {
  const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Plan
  await Bun.write(Bun.stdout, JSON.stringify(await measure(plan)))
}
