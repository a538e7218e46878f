// The version of this program.
import { allowed } from '../../src/base/outcome.ts'
import { programVersion } from '../../src/portal-client/endpoints.ts'
import { ended, type Mode } from '../run/mode.ts'

export const mode: Mode = { run: async () => ended(allowed('done'), `ob ${programVersion}\n`) }
