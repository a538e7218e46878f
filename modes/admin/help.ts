// The list of modes, or one mode explained, for a person.
import { allowed } from '../../src/base/outcome.ts'
import { printable } from '../../src/base/text.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'
import { modes } from '../run/modes.ts'
import { formatModes, formatUsage } from '../run/usage-text.ts'

export const mode: Mode = {
  run: async (args, world) => {
    const columns = world.terminal?.columns ?? 80
    // "ca sign" is two words.
    const name = args.join(' ')
    return name === '' ? ended(allowed('done'), formatModes(modes, columns)) : explain(name, columns)
  },
}

async function explain(name: string, columns: number): Promise<Ending> {
  const entry = modes.get(name)
  if (!entry) return usage(`there is no mode "${printable(name)}"; ob help lists them`)
  const { syntax } = await entry.load()
  const summary = `${entry.summary[0]?.toUpperCase()}${entry.summary.slice(1)}.`
  return ended(allowed('done'), formatUsage({ ...(syntax ?? { summary, args: {} }), name }, columns))
}
