// A decision in one line, so that a table of them can be read by an auditor.
import type { Step } from '../../src/base/decision.ts'

export function line(step: Step<string, { readonly do: string }>): string {
  if ('ask' in step) return `ask ${step.ask}`
  const effects = step.effects.map((effect) => ` +${effect.do}`).join('')
  return `${step.outcome.kind} ${step.outcome.reason}${effects}`
}
