// Facts of the session decision as the answers put them together: the binding of the configuration is applied first.
import type { SessionFacts } from '../../src/login/session.ts'
import { type Binding, boundFingerprint } from '../../src/ssh/proof.ts'

export type SessionRow = Omit<SessionFacts, 'bound'> & { readonly binding: Binding }

export const sessionFacts = ({ binding, ...facts }: SessionRow): SessionFacts => ({
  ...facts,
  bound: boundFingerprint(facts.proof, binding),
})
