// The auth phase of the stacks with a web login: what each of their programs decides.
import { reference } from '../audit/event-format.ts'
import { allowed, type Outcome } from '../base/outcome.ts'
import { linesAllowed } from '../base/prompt-text.ts'
import { webText } from '../base/reason.ts'
import type { World } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { functionalRole } from '../shell/role-policy.ts'
import {
  describeConfirmed,
  keepApproval,
  openParts,
  performApproved,
  performAsk,
  performCheck,
  settleApproved,
  settleAsk,
  settleCheck,
  type WebLogin,
  type Parts as WebParts,
} from '../weblogin/answers.ts'
import type { CheckEffect } from '../weblogin/policy.ts'
import type { PamRequest } from './answers.ts'
import type { PhaseResult } from './event-policy.ts'
import { identifyByToken, nameTyped } from './functional.ts'
import { authenticateWith, detailOf, proofOf, readAnswer } from './phases.ts'
import { openPorts } from './ports.ts'

export type WebVerb = 'approved' | 'ask' | 'check'

type About = { readonly world: World; readonly config: Config }

export function decideWebPhase(verb: WebVerb, request: PamRequest, about: About): Promise<PhaseResult> {
  switch (verb) {
    case 'approved':
      return approved(request, about)
    case 'ask':
      return ask(request, about)
    case 'check':
      return check(request, about)
  }
}

async function approved(request: PamRequest, about: About): Promise<PhaseResult> {
  const login = await loginOf(request, about)
  const parts = await partsFor(login, about)
  const { outcome, effects, facts } = await settleApproved(parts, login)
  performApproved(parts, effects)
  const who = facts.approval?.kind === 'found' ? describeConfirmed(facts.approval.confirmed) : ''
  // Where there is no approval, `ask` decides.
  return { outcome, notes: [who], message: '', ...(outcome.kind === 'allowed' ? {} : { isStep: true }) }
}

async function ask(request: PamRequest, { world, config }: About): Promise<PhaseResult> {
  const login = await loginOf(request, { world, config })
  const parts = await partsFor(login, { world, config })
  const { outcome, effects, facts } = await settleAsk(parts, login)
  performAsk(parts, effects)
  const { againText, formatScreen } = await import('../weblogin/screen-format.ts')
  const shown = effects.map(({ url, isShown }) =>
    isShown
      ? againText
      : formatScreen(url, world.hostname(), {
          hasPicture: config.weblogin_qr_code,
          most: linesAllowed(world, request.service),
        }),
  )
  const message = outcome.kind === 'allowed' ? shown.join('') : refusal(outcome, request)
  return { outcome, notes: [detailOf(facts.start)], message }
}

async function check(request: PamRequest, { world, config }: About): Promise<PhaseResult> {
  const typed = readAnswer(world, config)
  const login = await loginOf(request, { world, config })
  // The portal says whose token it is.
  if (login.anyone && config.weblogin === 'llng')
    return identifyByToken(request, { world, config, ports: openPorts(world, config), typed })
  const parts = await partsFor(login, { world, config })
  // sshd does not know this user and replaces what was typed: only the portal can say whether that may change.
  if (typed.kind === 'placeholder' || config.weblogin === 'llng') {
    const result = await authenticateWith(typed, request, { world, config })
    if (result.outcome.reason === 'token-accepted') acceptToken(parts, login)
    return { ...result, message: refusal(result.outcome, request) }
  }
  const kind = typed.kind === 'token' ? 'code' : typed.kind === 'absent' ? 'absent' : 'malformed'
  const { outcome, effects, facts } = await settleCheck(parts, login, { kind, code: typed.token })
  if (login.anyone && facts.check?.kind === 'confirmed')
    return becomeConfirmed(request, { world, config }, { parts, login, effects })
  await performCheck(parts, login, effects)
  const who = facts.check?.kind === 'confirmed' ? describeConfirmed(facts.check.confirmed) : ''
  return { outcome, notes: [who, detailOf(facts.check)], message: refusal(outcome, request) }
}

type Checked = { readonly parts: WebParts; readonly login: WebLogin; readonly effects: readonly CheckEffect[] }

/** At an account that turns into the person: whom the service confirmed, if that may be anybody's name here. */
async function becomeConfirmed(
  request: PamRequest,
  about: About,
  { parts, login, effects }: Checked,
): Promise<PhaseResult> {
  const confirmed = effects.flatMap((effect) => (effect.do === 'record' ? [effect.confirmed] : []))[0]
  const outcome = nameTyped(about.world, about.config, request, confirmed?.user ?? '')
  const isAllowed = outcome.kind === 'allowed'
  await performCheck(parts, login, isAllowed ? effects : [{ do: 'refuse-connection' }])
  const who = confirmed ? [`as ${confirmed.user}`, describeConfirmed(confirmed)] : []
  return {
    outcome: isAllowed ? allowed('weblogin-confirmed') : outcome,
    notes: who,
    message: refusal(outcome, request),
  }
}

/** The portal itself has said whose one-time token it was. */
function acceptToken(parts: WebParts, login: WebLogin): void {
  parts.pending.forget(parts.place)
  if (login.user)
    keepApproval(parts, login, { user: login.user, subject: login.user, issuer: parts.config.portal_url, groups: [] })
}

/** The one sentence for every code that does not count; undefined where another sentence goes with the reason. */
function refusal({ reason }: Outcome, request: PamRequest): string | undefined {
  const text = webText(reason)
  return text === undefined ? undefined : `${text} [ref ${reference(request.connection)}]\n`
}

async function loginOf({ user, service, rhost }: PamRequest, { world, config }: About): Promise<WebLogin> {
  const serviceAccount = user && (await openPorts(world, config).serviceAccounts.standing(user))
  const anyone = config.functional_logins && functionalRole(user, config) === 'person'
  return { user, service, rhost, key: await keyOf(world, config), serviceAccount, anyone }
}

/** The key that sshd proved before it ran PAM; of a certificate, the key in it. */
async function keyOf(world: World, config: Config): Promise<WebLogin['key']> {
  const proof = await proofOf('account', world, config)
  if (proof.kind !== 'key') return undefined
  const type = /^publickey (\S+)/m.exec(world.env['SSH_AUTH_INFO_0'] ?? '')?.[1] ?? ''
  return { type: type.replace(/-cert-v\d\d@openssh\.com$/, ''), fingerprint: proof.fingerprint }
}

const partsFor = (login: WebLogin, { world, config }: About) =>
  openParts(login, { world, config, lockouts: openPorts(world, config).lockouts })
