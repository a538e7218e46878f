// The entry. Until something says otherwise, the answer is no.
process.exitCode = 70

import { exitStatus } from './run/exit.ts'
import { sshdModes } from './run/sshd-modes.ts'

async function main([name, ...args]: readonly string[]): Promise<number> {
  const helper = sshdModes.get(name ?? '')
  // Loaded apart: what sshd runs pays for nothing that it does not use.
  return helper
    ? (await import('./run/unprivileged.ts')).runUnprivileged(helper, args)
    : (await import('./run/privileged.ts')).runPrivileged(name, args)
}

/** For what no mode could say itself; the text of such an error could quote anything. */
function last(): number {
  console.error('ob: internal error; please report it')
  return exitStatus.fault
}

process.exit(await main(process.argv.slice(2)).catch(last))
