// A path through a PAM stack, a line of text for each line that was reached.

import type { PamAction, PamValue } from './pam-control-format.ts'
import { isOurs } from './pam-modules-policy.ts'
import type { Path, PathStep } from './pam-walk-policy.ts'

export const describePath = (path: Path, end: string): readonly string[] => [
  ...path.map(describeStep),
  ...(end === '' ? [] : [end]),
]

function describeStep({ line, value, action }: PathStep): string {
  const place = `/etc/pam.d/${line.file} line ${line.number}: ${line.text}`
  if (line.kind === 'substack') return place
  if (line.kind === 'refuses') return `${place} → PAM cannot read this line and takes it for a refusal`
  const who = line.kind === 'module' && isOurs(line) ? 'ob says ' : ''
  return `${place} → ${who}${wordFor(value, who !== '')}: ${effects(action)}`
}

function wordFor(value: PamValue | undefined, isOb: boolean): string {
  if (isOb) return value === 'success' ? 'yes' : value === 'ignore' ? 'nothing in this phase' : 'no'
  return value === 'module_unknown' ? 'this module is not installed' : (value ?? '')
}

function effects(action: PamAction): string {
  if (typeof action === 'number')
    return action === 1 ? 'the next line is skipped' : `the next ${action} lines are skipped`
  switch (action) {
    case 'ok':
      return 'counts'
    case 'done':
      return 'that is enough, the rest is skipped'
    case 'bad':
      return 'refused, whatever follows'
    case 'die':
      return 'refused at once'
    case 'ignore':
      return 'ignored'
    case 'reset':
      return 'all before is forgotten'
  }
}
