// Is this host sound? Every finding, the worst first: what was seen, what it lets happen, what to do about it.
import type { Finding } from '../../src/base/finding.ts'
import { allowed, denied, type Outcome } from '../../src/base/outcome.ts'
import { hangingLines, wrap } from '../../src/base/text.ts'
import { loadConfig } from '../../src/config/load.ts'
import { examine, type Named } from '../../src/health/checks.ts'
import { openPorts } from '../../src/login/ports.ts'
import { parse } from '../run/args.ts'
import { ended, type Mode } from '../run/mode.ts'

export const syntax = {
  name: 'doctor',
  summary:
    'Say whether this host is sound, from the configuration to the last PAM line. Changes nothing. Ends with 0 when it is, 1 when something needs attention, 2 when somebody gets in who must not, or nobody gets in.',
  args: { json: { type: 'boolean', description: 'print JSON', default: false } },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const findings = await examine(world, () => {
      const config = loadConfig(world.files)
      return { config, ports: openPorts(world, config) }
    })
    const outcome = outcomeOf(findings)
    if (result.parsed.json) {
      const sound = outcome.kind === 'allowed'
      return ended(outcome, `${JSON.stringify({ sound, findings: findings.map(asJson) })}\n`)
    }
    // Whole lines where a script reads; on a terminal they keep their indentation.
    const columns = world.terminal?.columns ?? Number.POSITIVE_INFINITY
    const lines = findings.flatMap((finding) => describe(finding, columns))
    return ended(outcome, `${lines.join('\n')}\n\n${wrap(summary(findings), columns).join('\n')}\n`)
  },
}

const isWorst = ({ verdict }: Finding): boolean => verdict === 'open' || verdict === 'shut'

function outcomeOf(findings: readonly Finding[]): Outcome {
  if (findings.some(isWorst)) return denied('host-unsafe')
  return findings.some(({ verdict }) => verdict === 'bad') ? denied('found-problems') : allowed('done')
}

function summary(findings: readonly Finding[]): string {
  const count = findings.filter((finding) => isWorst(finding) || finding.verdict === 'bad').length
  if (count === 0) return 'this host is sound'
  const mend = `${count} to mend; begin with the first`
  if (findings.some(({ verdict }) => verdict === 'open')) return `SOMEBODY GETS IN WHO MUST NOT. ${mend}`
  return findings.some(({ verdict }) => verdict === 'shut') ? `NOBODY GETS IN. ${mend}` : mend
}

const marks = { good: 'ok  ', note: 'note', bad: 'BAD ', open: 'OPEN', shut: 'SHUT' }
const indent = ' '.repeat(19)

/** The member is called `proof` in what scripts read. */
const asJson = ({ message, ...rest }: Named) => ({ ...rest, proof: message })

/** On a narrow terminal the text stands further to the left, below the name of the check. */
function describe({ check, verdict, message, lets, remedy, path = [] }: Named, columns: number): readonly string[] {
  const isNarrow = columns < 60
  const under = isNarrow ? ' '.repeat(5) : indent
  const head = `${marks[verdict]} ${check.padEnd(13)} `
  const hanging = (first: string, text: string) => hangingLines(first, text, columns)
  return [
    ...(isNarrow ? [head.trimEnd(), ...hanging(under, message)] : hanging(head, message)),
    ...(lets === undefined ? [] : hanging(`${under}so `, lets)),
    ...(remedy === undefined ? [] : hanging(`${under}→ `, remedy)),
    ...path.map((line) => `${under}  ${line}`),
  ]
}
