// One PAM phase, from the request to the audit line and the sentence for the person.
import { type AuditConfig, fallbackAudit, openAudit } from '../../src/audit/log.ts'
import { Fault } from '../../src/base/fault.ts'
import { type Outcome, unavailable } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import type { PamRequest } from '../../src/login/answers.ts'
import { auditEvent, messageFor, type Phase, type PhaseResult } from '../../src/login/event-policy.ts'
import { decidePhase } from '../../src/login/phases.ts'
import { type Ending, ended } from '../run/mode.ts'

/** A refusal is never faster than this, so that the time does not tell why. Seconds. */
const refusalFloor = 0.4

/** Finds the outcome of a phase. */
type Decide = (request: PamRequest, about: { readonly world: World; readonly config: Config }) => Promise<PhaseResult>

/** Decides, writes the audit line, and returns the text that the person may read. */
export const runPhase = (phase: Phase, request: PamRequest, world: World): Promise<Ending> =>
  runDecision(phase, request, { world, decide: (...about) => decidePhase(phase, ...about) })

/** As runPhase, for a program in a stack that decides otherwise. */
export async function runDecision(
  phase: Phase,
  request: PamRequest,
  { world, decide }: { readonly world: World; readonly decide: Decide },
): Promise<Ending> {
  const startedAt = world.monotonic()
  let config: Config | undefined
  try {
    refuseDuplicates(world)
    config = loadConfig(world.files)
    const result = await Promise.race([decide(request, { world, config }), whenDeadlinePassed(world)])
    if (result.isStep === true) return ended(result.outcome)
    const isWritten = await report(phase, request, result, { world, config, startedAt })
    const outcome = !isWritten && config.audit_required ? unavailable('audit-unwritable') : result.outcome
    if (isRefusal(phase, outcome)) await waitForFloor(world, startedAt)
    return ended(outcome, messageFor({ ...result, outcome }, request))
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const outcome = unavailable(error.kind === 'refused' ? 'portal-untrusted' : 'fault')
    const text = error.hint ? `${error.message} (${error.hint})` : error.message
    const result = { outcome, notes: [text] }
    await report(phase, request, result, { world, config: config ?? fallbackAudit, startedAt })
    if (phase === 'auth') await waitForFloor(world, startedAt)
    return ended(outcome, messageFor(result, request))
  }
}

/** The deadline of a phase passes two seconds before the process ends: time for the audit line and a sentence. */
const whenDeadlinePassed = ({ deadline }: World): Promise<PhaseResult> =>
  new Promise((resolve) =>
    deadline.addEventListener('abort', () => resolve({ outcome: unavailable('deadline-passed'), notes: [] }), {
      once: true,
    }),
  )

/** Where another line of the stack decides, the person does not have to wait. */
const isRefusal = (phase: Phase, { kind, reason }: Outcome): boolean =>
  phase === 'auth' && kind !== 'allowed' && reason !== 'challenge-not-offered'

// pam_exec appends its own PAM_* to the variables of modules before it. So a second one means that a user tries to be
// another user.
function refuseDuplicates(world: World): void {
  const [name] = world.duplicates
  if (name !== undefined)
    throw new Fault(`${name} is in the environment twice`, {
      hint: 'some PAM module lets users set variables; remove user_readenv=1 from pam_env lines',
    })
}

type Reporting = {
  readonly world: World
  readonly config: AuditConfig & Partial<Pick<Config, 'log_level' | 'notify_enabled' | 'notify_events'>>
  readonly startedAt: number
}

/** False when the audit line could not be written. */
async function report(
  phase: Phase,
  request: PamRequest,
  result: PhaseResult,
  { world, config, startedAt }: Reporting,
): Promise<boolean> {
  const { outcome } = result
  const isVerbose = config.log_level === 'info' || config.log_level === 'debug'
  if (isVerbose) world.syslog('info', `${phase} ${outcome.kind} ${outcome.reason}`)
  const context = {
    now: world.now(),
    latencyMs: Math.round(world.monotonic() - startedAt),
    hostname: world.hostname(),
    tty: world.env['PAM_TTY'],
    givenName: world.env['PAM_USER'],
  }
  const event = auditEvent(phase, request, { result, context })
  const isWritten = openAudit(world, config).write(event)
  if (config.notify_enabled && config.notify_events?.includes(event.event_type)) {
    const { queueForWebhook } = await import('../../src/audit/webhooks.ts')
    await queueForWebhook(world, event)
  }
  return isWritten
}

const waitForFloor = (world: World, startedAt: number): Promise<void> =>
  world.sleep(Math.max(0, refusalFloor - (world.monotonic() - startedAt) / 1000))
