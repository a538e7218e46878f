// How a mode ends: with one exit status, and with one sentence about the problem.
import { Fault } from '../../src/base/fault.ts'
import type { ReadOnlyWorld } from '../../src/base/world.ts'
import { exitCode, exitStatus, sshFailed } from './exit.ts'
import type { Caller, Ending } from './mode.ts'

export async function finish(caller: Caller, world: ReadOnlyWorld, work: () => Promise<Ending>): Promise<number> {
  try {
    const ending = await work()
    if (ending.kind === 'outcome') world.stdout(ending.text ?? '')
    else if (isPerson(caller) || caller === 'person') world.stderr(`${ending.text}\n`)
    return exitCode(caller, ending)
  } catch (error) {
    await complain(caller, error, world)
    return caller === 'ssh' ? sshFailed : exitStatus.fault
  }
}

/** Who asked for JSON gets JSON: an error is an answer, too. */
export async function asJson(work: Promise<Ending>, world: Pick<ReadOnlyWorld, 'stdout'>): Promise<Ending> {
  try {
    const ending = await work
    if (ending.kind === 'usage') world.stdout(`${JSON.stringify({ error: ending.text })}\n`)
    return ending
  } catch (error) {
    const { text, hint } = told(error)
    world.stdout(`${JSON.stringify({ error: text, hint })}\n`)
    throw error
  }
}

const isPerson = (caller: Caller): boolean => caller === 'admin' || caller === 'ssh'

/** The message of a bug could quote a secret, so only the text of a Fault is shown. */
function told(error: unknown): { readonly text: string; readonly hint: string | undefined } {
  if (error instanceof Fault) return { text: error.message, hint: error.hint }
  return { text: `internal error (${error instanceof Error ? error.name : typeof error})`, hint: 'please report it' }
}

async function complain(caller: Caller, error: unknown, world: ReadOnlyWorld): Promise<void> {
  const { text, hint } = told(error)
  if (isPerson(caller)) world.stderr(`ob: ${text}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`)
  else world.syslog('err', asciiOnly(text))
  // Loaded here: the list of reasons costs 0.2 M instructions, and most modes need none of it.
  if (caller === 'person') world.stderr(`${(await import('../../src/base/reason.ts')).personText('fault')}\n`)
  if (caller === 'pam') world.stdout(`${(await import('../../src/base/reason.ts')).personText('fault')}\n`)
}

/** For a place that takes one short line of ASCII. */
export const asciiOnly = (text: string): string => text.slice(0, 200).replace(/[^ -~]/g, '?')
