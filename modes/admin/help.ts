// The list of modes, for a person.
import { allowed } from '../../src/base/outcome.ts'
import { ended, type Mode } from '../run/mode.ts'
import { modes } from '../run/modes.ts'

export const mode: Mode = {
  run: async () => {
    const width = Math.max(...[...modes.keys()].map((name) => name.length))
    const lines = [...modes].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
    return ended(
      allowed('done'),
      [
        'ob: single sign-on for ssh and sudo',
        '',
        'usage: ob MODE [ARGUMENTS]      ob MODE --help explains one mode',
        '',
        ...lines,
        '',
        'Without a mode, with PAM_TYPE in the environment, ob is what pam_exec(8) runs.',
        '',
      ].join('\n'),
    )
  },
}
