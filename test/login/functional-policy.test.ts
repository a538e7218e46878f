import { expect, test } from 'bun:test'
import { decideTyped, type TypedFacts } from '../../src/login/functional-policy.ts'

const asked: TypedFacts = { answer: 'token', isNoToken: false }
const free: TypedFacts = { ...asked, lockout: { secondsLeft: 0 } }
const won: TypedFacts = { ...free, claim: 'won' }
const outage = { detail: 'x' } as const

const rows: readonly (readonly [name: string, facts: TypedFacts, decided: string])[] = [
  ['nothing typed', { ...asked, answer: 'absent' }, 'denied no-token'],
  ['an answer that PAM cut', { ...asked, answer: 'cut' }, 'denied token-cut'],
  ['two lines', { ...asked, answer: 'malformed' }, 'denied token-malformed'],
  ['the placeholder of sshd', { ...asked, answer: 'placeholder' }, 'denied token-malformed'],
  ['a token: first the lock', asked, 'ask lockout'],
  ['locked', { ...asked, lockout: { secondsLeft: 5 } }, 'denied locked-out'],
  ['a password', { ...free, isNoToken: true }, 'denied not-a-token count-failure'],
  ['then it is claimed', free, 'ask claim'],
  ['claimed by another', { ...free, claim: 'lost' }, 'denied token-replayed count-failure'],
  ['then the portal is asked', won, 'ask verification'],
  [
    'refused',
    { ...won, verification: { kind: 'rejected' } as never },
    'denied token-rejected release-claim count-failure',
  ],
  [
    'no portal',
    { ...won, verification: { kind: 'unreachable', ...outage } as never },
    'unavailable portal-unreachable release-claim',
  ],
  [
    'nonsense',
    { ...won, verification: { kind: 'garbled', ...outage } as never },
    'unavailable portal-garbled release-claim',
  ],
  [
    'whose it is',
    { ...won, verification: { kind: 'accepted', user: 'alice' } as never },
    'allowed token-accepted clear-failures identify alice',
  ],
]
test.each(rows)('%s', (_name, facts, decided) => {
  const step = decideTyped(facts)
  const effects =
    'effects' in step ? step.effects.map((one) => (one.do === 'identify' ? `identify ${one.name}` : one.do)) : []
  const said = 'ask' in step ? ['ask', step.ask] : [step.outcome.kind, step.outcome.reason, ...effects]
  expect(said.join(' ')).toBe(decided)
})
