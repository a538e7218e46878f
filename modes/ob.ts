// The entry of the program. It fails closed: the exit status is a failure until a mode has decided.
process.exitCode = 70

import { exitStatus } from './run/exit.ts'
import { sshdModes } from './run/sshd-modes.ts'

async function main([name, ...args]: readonly string[]): Promise<number> {
  const helper = sshdModes.get(name ?? '')
  // Loaded apart: a mode that sshd runs loads only the code that it uses, and a phase that ob serve decides even less.
  if (helper) return (await import('./run/unprivileged.ts')).runUnprivileged(helper, args)
  const served = name === undefined ? await (await import('./run/served-phase.ts')).askServe() : undefined
  if (served?.kind === 'decided') return served.status
  return (await import('./run/privileged.ts')).runPrivileged(name, args, served)
}

/** For errors that no mode reported itself. Their text is not printed: it could quote a secret. */
function last(): number {
  console.error('ob: internal error; please report it')
  return exitStatus.fault
}

process.exit(await main(process.argv.slice(2)).catch(last))
