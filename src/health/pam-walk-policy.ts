// What libpam does with a stack (pam_dispatch.c), one line after the other: for given answers of the modules, and for
// all that the modules may answer.

import { actionOf, type PamAction, type PamValue } from './pam-control-format.ts'
import type { ModuleLine, Stack, StackLine } from './pam-stack-policy.ts'

/** What the lines so far came to. A stack that no line decided refuses. */
type Impression = { readonly mood: 'none' | 'positive' | 'negative'; readonly status: PamValue }

/** Where one walk through the stack is. */
type Walker = {
  readonly at: number
  /** The level of the line before. */
  readonly before: number
  readonly now: Impression
  /** By level: what a substack began with. */
  readonly saved: readonly Impression[]
}

/** A module's answer in the phase, and the one in pam_setcred(3) that goes with it. */
export type Answer = { readonly value: PamValue; readonly cred: PamValue }

const refusal: PamValue = 'perm_denied'
const undecided: Impression = { mood: 'none', status: refusal }
const spoilt: Impression = { mood: 'negative', status: refusal }
const beginning: Walker = { at: 0, before: 0, now: undecided, saved: [undecided] }

/** `cached` is the answer that chose the action. In the second walk, that of pam_setcred, `value` is another one. */
type Turn = { readonly value: PamValue; readonly cached: PamValue; readonly isSecond: boolean }

function step(stack: Stack, walker: Walker, turn: Turn): Walker {
  const line = stack[walker.at]!
  const saved = walker.before < line.level ? [...walker.saved.slice(0, line.level), walker.now] : walker.saved
  const next = { ...walker, saved, before: line.level, at: walker.at + 1 }
  if (line.kind === 'substack') return next
  const action = line.kind === 'module' ? actionOf(line.control, turn.cached) : 'bad'
  if (typeof action === 'number') {
    const { at, missing } = land(stack, walker.at, action)
    if (missing > 0) return { ...next, at, now: spoilt }
    return { ...next, at, now: turn.isSecond ? judgeJump(next.now, turn) : next.now }
  }
  if (action === 'reset') return { ...next, now: saved[line.level] ?? undecided }
  const now = judge(next.now, action, turn)
  const isOver = action === 'die' || (action === 'done' && now.mood === 'positive')
  return { ...next, now, at: isOver ? endOf(stack, walker.at) : next.at }
}

const isClear = ({ mood, status }: Impression): boolean =>
  mood === 'none' || (mood === 'positive' && status === 'success')

function judge(now: Impression, action: PamAction, { value, cached }: Turn): Impression {
  switch (action) {
    case 'ok':
    case 'done':
      return isClear(now) && (value !== 'ignore' || cached === value) ? { mood: 'positive', status: value } : now
    case 'bad':
    case 'die':
      return now.mood === 'negative' ? now : { mood: 'negative', status: value === 'ignore' ? refusal : value }
    default:
      return now
  }
}

/** Where the first walk jumped over lines, the second takes the line that jumped for a required one. */
function judgeJump(now: Impression, { value, cached }: Turn): Impression {
  if (!isClear(now) || (value === 'ignore' && cached !== value)) return now
  const mood = now.mood === 'none' && value === 'success' ? 'positive' : now.mood
  return { mood, status: value }
}

/** The line after a jump over so many others; a substack with all its lines is one. */
function land(stack: Stack, from: number, count: number): { readonly at: number; readonly missing: number } {
  const { level } = stack[from]!
  const levelAt = (index: number): number => stack[index]?.level ?? -1
  let at = from
  let missing = count
  for (; missing > 0 && levelAt(at + 1) >= level; missing--)
    do at++
    while (levelAt(at + 1) > level)
  return { at: at + 1, missing }
}

/** The first line after this stack or substack. */
function endOf(stack: Stack, from: number): number {
  const { level } = stack[from]!
  let at = from
  while ((stack[at]?.level ?? -1) >= level) at++
  return at
}

const conclude = ({ now: { mood, status } }: Walker): PamValue =>
  status === 'success' && mood !== 'positive' ? refusal : status

/** The walk of the phase and, beside it, the one of pam_setcred, which may go on where the first has ended. */
type Pair = { readonly phase: Walker; readonly cred: Walker }

const indexOf = ({ phase, cred }: Pair): number => Math.min(phase.at, cred.at)

function stepBoth(stack: Stack, { phase, cred }: Pair, { value, cred: second }: Answer): Pair {
  const index = indexOf({ phase, cred })
  const cached = phase.at === index ? value : second
  return {
    phase: phase.at === index ? step(stack, phase, { value, cached, isSecond: false }) : phase,
    cred: cred.at === index ? step(stack, cred, { value: second, cached, isSecond: true }) : cred,
  }
}

export type Result = { readonly phase: PamValue; readonly cred: PamValue }

const concludeBoth = ({ phase, cred }: Pair): Result => ({ phase: conclude(phase), cred: conclude(cred) })

const refusing: Answer = { value: refusal, cred: refusal }

/** What the stack says when its modules answer so. */
export function runStack(stack: Stack, answer: (line: ModuleLine) => Answer): Result {
  let pair: Pair = { phase: beginning, cred: beginning }
  for (let line = stack[0]; line; line = stack[indexOf(pair)])
    pair = stepBoth(stack, pair, line.kind === 'module' ? answer(line) : refusing)
  return concludeBoth(pair)
}

/** An answer that may be given, and what is known once it was. */
export type Possible<Known> = Answer & { readonly learn: (known: Known) => Known }

export type PathStep = { readonly line: StackLine; readonly value: PamValue | undefined; readonly action: PamAction }
export type Path = readonly PathStep[]

export type Search<Known> = {
  readonly known: Known
  readonly possible: (line: ModuleLine) => readonly Possible<Known>[]
  readonly accept: (result: Result, known: Known) => boolean
}

type Node<Known> = {
  readonly pair: Pair
  readonly known: Known
  readonly from: Node<Known> | undefined
  readonly step: PathStep | undefined
}

/** The shortest path through the stack that ends as asked, over all that its modules may answer. */
export function findPath<Known>(stack: Stack, { known, possible, accept }: Search<Known>): Path | undefined {
  const first: Node<Known> = {
    pair: { phase: beginning, cred: beginning },
    known,
    from: undefined,
    step: undefined,
  }
  const waiting = [first]
  const seen = new Set<string>()
  for (let node = waiting.shift(); node; node = waiting.shift()) {
    const line = stack[indexOf(node.pair)]
    if (!line) {
      if (accept(concludeBoth(node.pair), node.known)) return pathTo(node)
      continue
    }
    const key = JSON.stringify([node.pair, node.known])
    if (seen.has(key)) continue
    seen.add(key)
    for (const answer of line.kind === 'module' ? possible(line) : [{ ...refusing, learn: (same: Known) => same }])
      waiting.push(follow(stack, node, answer))
  }
  return undefined
}

function follow<Known>(stack: Stack, node: Node<Known>, answer: Possible<Known>): Node<Known> {
  const index = indexOf(node.pair)
  const line = stack[index]!
  const pair = stepBoth(stack, node.pair, answer)
  // A line that only pam_setcred comes to is no step of the phase, and nobody learns anything from it.
  if (node.pair.phase.at !== index) return { ...node, pair }
  const isModule = line.kind === 'module'
  const action = isModule ? actionOf(line.control, answer.value) : line.kind === 'substack' ? 'ignore' : 'bad'
  return {
    pair,
    known: answer.learn(node.known),
    from: node,
    step: { line, value: isModule ? answer.value : undefined, action },
  }
}

function pathTo<Known>(end: Node<Known>): Path {
  const path: PathStep[] = []
  for (let node: Node<Known> | undefined = end; node; node = node.from) if (node.step) path.unshift(node.step)
  return path
}
