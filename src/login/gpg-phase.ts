// The two halves of an OpenPGP challenge: `ob gpg ask` shows it, `ob gpg check` judges what was typed. Both run in one
// conversation of PAM; what the first leaves for the second is a record in /run.
import { reference } from '../audit/event-format.ts'
import { settle } from '../base/decision.ts'
import type { LoginName } from '../base/names.ts'
import { denied } from '../base/outcome.ts'
import { askedService } from '../base/pam-service.ts'
import { linesAllowed } from '../base/prompt-text.ts'
import { personText } from '../base/reason.ts'
import type { World } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { parseTyped, type Typed } from '../gpg/answer-format.ts'
import { type Login, makeChallenge } from '../gpg/ask.ts'
import { hashOfCode } from '../gpg/challenge-format.ts'
import { openEngine } from '../gpg/engine.ts'
import { readSigner } from '../gpg/key-store.ts'
import { endPage, startPage } from '../gpg/page.ts'
import { markPassed } from '../gpg/passed.ts'
import { openPending } from '../gpg/pending.ts'
import type { Pending } from '../gpg/pending-format.ts'
import { type AskFacts, type CheckFacts, decideAsk, decideCheck, type Waiting } from '../gpg/policy.ts'
import { readRecipient } from '../gpg/recipient.ts'
import { openRecoveryCodes } from '../gpg/recovery.ts'
import { formatScreen } from '../gpg/screen-format.ts'
import { lockoutKey } from '../lockout/state-format.ts'
import { type PamRequest, requireUser } from './answers.ts'
import type { PhaseResult } from './event-policy.ts'
import { openPorts } from './ports.ts'

export type Host = { readonly world: World; readonly config: Config }

/** A challenge never appears sooner than this, so that the time does not tell whose keys were found. Seconds. */
const challengeFloor = 0.3

export async function ask(request: PamRequest, { world, config }: Host): Promise<PhaseResult> {
  const { user, service } = request
  const startedAt = world.monotonic()
  const facts: AskFacts = { user, service, services: config.gpg_services, when: config.gpg_when }
  const { outcome } = await settle(decideAsk, facts, { portal: () => askPortal(request, { world, config }) })
  if (outcome.kind !== 'allowed') return { outcome, notes: [], message: '' }
  const pending = openPending(world)
  const engine = await openEngine()
  const recipient = await readRecipient({ ...world, engine }, config, user)
  const login: Login = {
    user,
    name: user ?? world.env['PAM_USER'] ?? '',
    service,
    from: request.rhost,
    connection: request.connection,
    reference: reference(request.connection),
    breakGlass: config.gpg_when === 'unreachable',
  }
  const made = await makeChallenge(
    { ...world, engine, uptime: pending.uptime() },
    { gpg_timeout: config.gpg_timeout, signer: readSigner(world, config) },
    { login, recipient },
  )
  const page = await startPage(world, config, made.armored)
  const open = page.kind === 'open' ? { page: { pid: page.pid, uid: page.uid } } : {}
  pending.put({ ...made.pending, ...open })
  const isDecoy = made.pending.keysHash === undefined
  const notes = [
    isDecoy ? 'a decoy: the user has no key here, or may not answer' : '',
    recipient.note ?? '',
    page.kind === 'none' ? page.note : '',
  ]
  const around = { page: page.kind === 'open' ? page.text : undefined, most: linesAllowed(world, service) }
  const message = await formatScreen(made.armored, config, around)
  await world.sleep(Math.max(0, challengeFloor - (world.monotonic() - startedAt) / 1000))
  return { outcome, notes, message }
}

/** As the account phase will ask it, so that both mean the same outage. */
async function askPortal(request: PamRequest, { world, config }: Host): Promise<'answers' | 'unreachable'> {
  const { user, service } = request
  const about = askedService(service, config.service_map)
  if (!user || about === undefined) return 'answers'
  const answer = await openPorts(world, config).portal.authorize({ user, service: about })
  return answer.kind === 'unreachable' || answer.kind === 'out-of-order' ? 'unreachable' : 'answers'
}

const longestAnswer = 8192

export async function check(request: PamRequest, { world, config }: Host): Promise<PhaseResult> {
  const input = world.stdin(longestAnswer)
  const typed = parseTyped(input)
  input.fill(0)
  const pending = openPending(world)
  const record = pending.take()
  if (record?.page) endPage(world, record.page)
  const waiting = judge(record, typed, { request, uptime: pending.uptime() })
  const key = (user: LoginName | undefined): string => lockoutKey(requireUser(user), request.rhost)
  const { lockouts } = openPorts(world, config)
  const facts: CheckFacts = { user: request.user, typed: typed.kind, waiting }
  const { outcome, effects } = await settle(decideCheck, facts, {
    lockout: ({ user }) => lockouts.left(key(user)),
    keys: async ({ user }) => {
      const { file } = await readRecipient({ ...world, engine: await openEngine() }, config, user)
      return file !== undefined && file.hash === record?.keysHash ? 'same' : 'changed'
    },
    recovery: async ({ user }) =>
      typed.recovery && (await openRecoveryCodes(world).spend(requireUser(user), typed.recovery))
        ? 'accepted'
        : 'rejected',
  })
  for (const effect of effects)
    switch (effect.do) {
      case 'count-failure':
        await lockouts.count(key(request.user))
        break
      case 'clear-failures':
        lockouts.clear(key(request.user))
        break
      case 'mark-passed':
        markPassed(world, { ...request, user: requireUser(request.user) })
        break
    }
  // One sentence for every refusal: which of them it was tells whether there is such a user, or such a key.
  const message = outcome.kind === 'allowed' ? '' : refusal(request)
  return { outcome, notes: [typed.recovery ? `recovery code R${typed.recovery.number}` : ''], message }
}

const refusal = ({ connection }: PamRequest): string =>
  `${personText(denied('challenge-wrong').reason)} [ref ${reference(connection)}]\n`

type Asking = { readonly request: PamRequest; readonly uptime: number }

function judge(record: Pending | undefined, { code }: Typed, { request, uptime }: Asking): Waiting {
  if (!record) return { kind: 'none' }
  const { user, service, connection, expiresAt, permitted, breakGlass, keysHash, codeHash } = record
  if (user !== request.user || service !== request.service || connection !== request.connection)
    return { kind: 'of-another' }
  if (uptime > expiresAt) return { kind: 'late' }
  const matches = code !== undefined && hashOfCode(code) === codeHash
  return { kind: 'waiting', permitted, readable: keysHash !== undefined, matches, breakGlass }
}
