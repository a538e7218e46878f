// The entry. Until something says otherwise, the answer is no.
process.exitCode = 70

import { Fault } from '../src/fault.ts'
import { exitCode, exitStatus } from './exit.ts'
import { loadForeign } from './foreign.ts'
import { refuseDumps, shedInheritance } from './libc.ts'
import type { Caller } from './mode.ts'
import { type ModeEntry, modes, pamModes } from './modes.ts'
import { system, takeEnvironment, writeText } from './system.ts'

function entryFor(name: string | undefined, phase: string | undefined): ModeEntry | undefined {
  if (name === undefined && phase !== undefined) return phase.endsWith('_session') ? pamModes.session : pamModes.login
  if (name === '--version' || name === '-V') return modes.get('version')
  if (name === '--help' || name === '-h') return modes.get('help')
  return modes.get(name ?? '')
}

async function main(argv: readonly string[]): Promise<number> {
  const environment = takeEnvironment()
  const [name, ...args] = argv
  const entry = entryFor(name, environment.values['PAM_TYPE'])
  if (!entry) {
    writeText(
      2,
      name === undefined
        ? 'usage: ob MODE …\nob help lists the modes\n'
        : `ob: unknown mode "${printable(name)}"\nob help lists the modes\n`,
    )
    return exitStatus.usage
  }
  // What sshd runs as another user holds no secret; everything else may.
  if (entry.caller !== 'sshd') {
    await loadForeign()
    refuseDumps()
  }
  const deadline = watch(entry.deadlineSeconds)
  const world = system(environment, deadline)
  try {
    if (entry.caller !== 'sshd' && !shedInheritance())
      throw new Fault('the caller limits the size of files, so nothing that is decided could be written down', {
        hint: 'lift that limit: ulimit -f unlimited',
      })
    const { mode } = await entry.load()
    const ending = await mode.run(args, world)
    const text = ending.text ?? ''
    if (ending.kind === 'usage') writeText(2, entry.caller === 'admin' ? `ob ${name}: ${text}\n` : '')
    else writeText(1, text)
    return exitCode(entry.caller, ending)
  } catch (error) {
    await complain(entry.caller, error, world.syslog)
    return exitStatus.fault
  }
}

// pam_exec has no limit of its own, and a promise that never settles must not become a login that never ends.
function watch(seconds: number): AbortSignal {
  const controller = new AbortController()
  if (seconds === 0) return controller.signal
  setTimeout(() => controller.abort(), (seconds - 2) * 1000).unref()
  setTimeout(() => process.exit(exitStatus.unavailable), seconds * 1000).unref()
  return controller.signal
}

async function complain(
  caller: Caller,
  error: unknown,
  syslog: (priority: 'err', text: string) => void,
): Promise<void> {
  // A bug's message could quote what it choked on, so only a Fault's text is shown.
  const text =
    error instanceof Fault ? error.message : `internal error (${error instanceof Error ? error.name : typeof error})`
  const hint = error instanceof Fault ? error.hint : 'please report it'
  if (caller === 'admin') writeText(2, `ob: ${text}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`)
  else syslog('err', printable(text))
  // Loaded here, because all the reasons together cost whoever needs none of them 0.2 M instructions.
  if (caller === 'pam') writeText(1, `${(await import('../src/reason.ts')).personText('fault')}\n`)
}

const printable = (text: string): string => text.slice(0, 200).replace(/[^ -~]/g, '?')

process.exit(await main(process.argv.slice(2)))
