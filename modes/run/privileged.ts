// Runs the modes of pam_exec and administrators: with the whole World, and without the caller's limits and environment.
import { Fault } from '../../src/base/fault.ts'
import { dropInheritedLimits, refuseDumps } from '../world/process/libc.ts'
import { isTerminal, system, takeEnvironment, writeText } from '../world/system.ts'
import { endAfter, exitStatus } from './exit.ts'
import { asciiOnly, asJson, finish } from './finish.ts'
import type { WholeEntry } from './mode.ts'
import { pamModes, pamVerbs, phaseEntry } from './pam-modes.ts'
import type { Served } from './served-phase.ts'

const options: Readonly<Record<string, string>> = {
  '--version': 'version',
  '-V': 'version',
  '--help': 'help',
  '-h': 'help',
}

/** The mode by that name; without a name, the phase that pam_exec says in the environment. */
export async function runPrivileged(
  name: string | undefined,
  args: readonly string[],
  served?: Exclude<Served, { readonly kind: 'decided' }>,
): Promise<number> {
  const environment = takeEnvironment()
  const phase = environment.values['PAM_TYPE']
  const verb = phase === undefined ? undefined : pamVerbs.get([name, ...args].join(' '))
  const ofPhase = (name: string): WholeEntry => (served?.kind === 'lost' ? pamModes.lost : phaseEntry(name))
  const phaseOrOverview = () => (phase === undefined ? alone() : ofPhase(phase))
  const entry = verb ?? (name === undefined ? await phaseOrOverview() : await entryOf(options[name] ?? name, args))
  if (!entry) {
    const problem = name === undefined ? 'usage: ob MODE …' : `ob: unknown mode "${asciiOnly(name)}"`
    writeText(2, `${problem}\nob help lists the modes\n`)
    return exitStatus.usage
  }
  const answer = served?.kind === 'undecided' ? served.answer : undefined
  const world = system(environment, deadlineAfter(entry.deadlineSeconds), answer)
  const caller = environment.values['PAM_TYPE'] === undefined ? (entry.byHand ?? entry.caller) : entry.caller
  return finish(caller, world, async () => {
    refuseDumps()
    if (isBelowUser(environment.values)) (await import('../world/process/scheduling.ts')).leaveCallersScheduling()
    if (!dropInheritedLimits())
      throw new Fault('the caller limits the size of files, so nothing that is decided could be written down', {
        hint: 'lift that limit: ulimit -f unlimited',
      })
    const { mode } = await entry.load()
    const running = mode.run(args, world)
    const ending = await (caller === 'admin' && args.includes('--json') ? asJson(running, world) : running)
    return ending.kind === 'usage' ? { ...ending, text: `ob ${name}: ${ending.text}` } : ending
  })
}

/** Aborts two seconds before the process ends; never for 0. */
function deadlineAfter(seconds: number): AbortSignal {
  const controller = new AbortController()
  if (seconds === 0) return controller.signal
  setTimeout(() => controller.abort(), (seconds - 2) * 1000).unref()
  endAfter(seconds)
  return controller.signal
}

async function entryOf(name: string, [verb]: readonly string[]): Promise<WholeEntry | undefined> {
  const { wholeModes } = await import('./modes.ts')
  // What a person far away runs is a mode of its own, with its own deadline and exit statuses.
  return wholeModes.get(`${name} ${verb}`) ?? wholeModes.get(name)
}

/** Without a phase and without a name: a person at a terminal is told where this host is. */
const alone = async (): Promise<WholeEntry | undefined> =>
  isTerminal() ? (await import('./modes.ts')).overview : undefined

/** sshd's and the greeters' processes are root's from the start; sudo's were started by the user. */
const isBelowUser = ({ PAM_TYPE, PAM_SERVICE }: Readonly<Record<string, string | undefined>>): boolean =>
  PAM_TYPE !== undefined && PAM_SERVICE !== 'sshd'
