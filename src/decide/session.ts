// PAM open_session over ssh: the first moment at which sshd says what was really proven (SSH_AUTH_INFO_0),
// and a refusal here still closes the door.

import type { Authorization } from '../formats/replies.ts'
import type { Fingerprint, LoginName } from '../names.ts'
import { allowed, denied, type Outcome } from '../outcome.ts'
import { noAnswer } from './auth.ts'
import type { Step } from './step.ts'

/** What sshd says was proven. Without a key: a password or a keyboard-interactive answer. */
export type Proof =
  | {
      readonly kind: 'key'
      readonly fingerprint: Fingerprint
      readonly certificate: boolean
      readonly judged: KeyVerdict
    }
  | { readonly kind: 'no-key' }
  | { readonly kind: 'unreadable' }

export type KeyVerdict = 'accepted' | 'type-refused' | 'too-small'
export type Binding = 'certificates' | 'always' | 'never'

/** What the account phase of the same connection learned, and with which fingerprint it had asked, if any. */
export type Remembered = {
  readonly authorization: Authorization & { kind: 'granted' }
  readonly fingerprint: Fingerprint | undefined
}

export type SessionFacts = {
  readonly user: LoginName | undefined
  readonly proof: Proof
  readonly binding: Binding
  readonly createUser: boolean
  readonly remembered: Remembered | undefined
  readonly authorization?: Authorization
  readonly account?: { readonly kind: 'ready' | 'local' | 'impossible'; readonly detail: string }
}

export type SessionQuestion = 'authorization' | 'account'
type SessionStep = Step<SessionQuestion, never>

export function decideSession(f: SessionFacts): SessionStep {
  if (!f.user) return end(denied('bad-login-name'))
  if (f.user === 'root') return end(denied('root-refused'))
  if (f.proof.kind === 'unreadable') return end(denied('no-proof'))
  if (f.proof.kind === 'key' && f.proof.judged !== 'accepted') return end(denied('key-policy'))
  const answer = f.authorization ?? (mustAskAgain(f) ? undefined : f.remembered?.authorization)
  if (!answer) return { ask: 'authorization' }
  switch (answer.kind) {
    case 'granted':
      return decideProvisioning(f)
    case 'refused':
      return end(denied(boundFingerprint(f) ? 'key-denied' : 'portal-denied'))
    case 'unreachable':
    case 'garbled':
    case 'refuses-host':
      return end(noAnswer(answer))
  }
}

function decideProvisioning(f: SessionFacts): SessionStep {
  const opened = allowed(boundFingerprint(f) ? 'key-accepted' : 'session-opened')
  if (!f.createUser) return end(opened)
  if (!f.account) return { ask: 'account' }
  switch (f.account.kind) {
    case 'ready':
    case 'local':
      return end(opened)
    case 'impossible':
      return end(denied('account-impossible'))
  }
}

/** The fingerprint that this host's policy binds the login to, if any. */
export function boundFingerprint(f: Pick<SessionFacts, 'proof' | 'binding'>): Fingerprint | undefined {
  if (f.proof.kind !== 'key' || f.binding === 'never') return undefined
  return f.proof.certificate || f.binding === 'always' ? f.proof.fingerprint : undefined
}

function mustAskAgain(f: SessionFacts): boolean {
  const bound = boundFingerprint(f)
  return bound !== undefined && f.remembered?.fingerprint !== bound
}

const end = (outcome: Outcome): SessionStep => ({ outcome, effects: [] })
