// The only loop between thinking and doing. A decision is a pure function from the facts so far to the
// next question or the end; the answers come from ports.
import { Fault } from './fault.ts'
import type { Outcome } from './outcome.ts'

export type End<Effect> = { readonly outcome: Outcome; readonly effects: readonly Effect[] }
export type Step<Question extends string, Effect> = { readonly ask: Question } | End<Effect>

/** For every question, how to find the fact of the same name. */
export type Answers<Facts, Question extends keyof Facts> = {
  readonly [Q in Question]-?: (facts: Facts) => Promise<NonNullable<Facts[Q]>> | NonNullable<Facts[Q]>
}

export type Settled<Facts, Effect> = End<Effect> & { readonly facts: Facts }

/** Runs a decision to its end. Asking twice is a fault, so it always ends. */
export async function settle<Facts extends object, Question extends keyof Facts & string, Effect>(
  decide: (facts: Facts) => Step<Question, Effect>,
  initial: Facts,
  answers: Answers<Facts, Question>,
): Promise<Settled<Facts, Effect>> {
  let facts = initial
  for (;;) {
    const step = decide(facts)
    if (!('ask' in step)) return { ...step, facts }
    if (facts[step.ask] !== undefined) throw new Fault(`the decision asked for "${step.ask}" twice`)
    facts = { ...facts, [step.ask]: await answers[step.ask](facts) }
  }
}
