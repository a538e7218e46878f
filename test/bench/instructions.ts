// How many instructions a program runs in user space. Unlike time it barely varies, so a regression can be gated on it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Run = {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stdin?: string
}
export type Count = { readonly instructions: number; readonly tool: 'perf' | 'callgrind' }

const spawn = (run: Run, prefix: readonly string[]) => {
  const [file, ...args] = [...prefix, ...run.argv]
  // Bun.which-like look-up needs a PATH of ours; the measured program still gets only `run.env`.
  return spawnSync('env', ['-i', ...Object.entries(run.env).map(([k, v]) => `${k}=${v}`), file!, ...args], {
    encoding: 'utf8',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    input: run.stdin ?? '',
    ...(run.cwd === undefined ? {} : { cwd: run.cwd }),
  })
}

const tool = (name: string): string | undefined =>
  Bun.which(name, { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }) ?? undefined

function withPerf(run: Run): number | undefined {
  const perf = tool('perf')
  if (perf === undefined) return undefined
  const { stderr } = spawn(run, [perf, 'stat', '-x', ',', '-e', 'instructions:u', '--'])
  const line = stderr.split('\n').find((text) => text.includes('instructions:u'))
  const count = Number(line?.split(',')[0])
  return Number.isSafeInteger(count) && count > 0 ? count : undefined
}

function withCallgrind(run: Run): number | undefined {
  const valgrind = tool('valgrind')
  if (valgrind === undefined) return undefined
  const directory = mkdtempSync(join(tmpdir(), 'ob-callgrind-'))
  try {
    const { stderr } = spawn(run, [valgrind, '--tool=callgrind', `--callgrind-out-file=${directory}/out`])
    const count = Number(/Collected : (\d+)/.exec(stderr)?.[1])
    return Number.isSafeInteger(count) && count > 0 ? count : undefined
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Undefined where neither perf(1) with hardware counters nor valgrind(1) is there. The two tools do not compare. */
export function countInstructions(run: Run): Count | undefined {
  const counted = withPerf(run)
  if (counted !== undefined) return { instructions: counted, tool: 'perf' }
  const simulated = withCallgrind(run)
  return simulated === undefined ? undefined : { instructions: simulated, tool: 'callgrind' }
}
