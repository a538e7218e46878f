// The search through a stack says what running the stack says.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  formatPamControl,
  type PamAction,
  type PamControl,
  type PamValue,
  pamValues,
  parsePamControl,
} from '../../src/health/pam-control-format.ts'
import { parsePamFile } from '../../src/health/pam-stack-format.ts'
import { type Stack, type StackLine, stackOf } from '../../src/health/pam-stack-policy.ts'
import { type Answer, findPath, runStack } from '../../src/health/pam-walk-policy.ts'
import { mutations } from '../fakes/mutate.ts'

const value = fc.constantFrom<PamValue>('success', 'auth_err', 'ignore', 'new_authtok_reqd')
const action = fc.oneof(
  fc.constantFrom<PamAction>('ok', 'done', 'bad', 'die', 'ignore', 'reset'),
  fc.integer({ min: 1, max: 3 }),
)
const control: fc.Arbitrary<PamControl> = fc
  .tuple(fc.dictionary(fc.constantFrom(...pamValues), action, { maxKeys: 3 }), action)
  .map(([named, otherwise]) => ({ named: new Map(Object.entries(named) as [PamValue, PamAction][]), otherwise }))
const line: fc.Arbitrary<StackLine> = fc.tuple(control, fc.integer({ min: 0, max: 2 })).map(([how, level]) => ({
  kind: 'module',
  file: 'x',
  number: 1,
  text: '',
  level,
  control: how,
  module: 'pam_x.so',
  args: [],
}))
const stacks: fc.Arbitrary<Stack> = fc.array(line, { minLength: 1, maxLength: 5 })
const answers = fc.array(fc.record({ value, cred: value }), { minLength: 5, maxLength: 5 })

test('what running comes to is found, and what is found comes of running', () => {
  fc.assert(
    fc.property(stacks, answers, (stack, given) => {
      const of = (at: number): Answer => given[at]!
      const ran = runStack(stack, (at) => of(stack.indexOf(at)))
      const possible = (at: StackLine) => {
        const answer = of(stack.indexOf(at))
        return [{ ...answer, learn: (seen: readonly number[]) => seen }]
      }
      const wanted = (result: { phase: PamValue; cred: PamValue }) =>
        result.phase === ran.phase && result.cred === ran.cred
      expect(findPath(stack, { known: [], possible, accept: wanted })).toBeDefined()
      expect(findPath(stack, { known: [], possible, accept: (result) => !wanted(result) })).toBeUndefined()
    }),
    { numRuns: 2000 },
  )
})

test('among many possible answers, those that lead to a yes are found and do lead there', () => {
  const all: readonly Answer[] = ['success', 'auth_err', 'ignore'].map((word) => ({
    value: word as PamValue,
    cred: word as PamValue,
  }))
  fc.assert(
    fc.property(stacks, (stack) => {
      const path = findPath(stack, {
        known: 0,
        possible: () => all.map((answer) => ({ ...answer, learn: (same: number) => same })),
        accept: ({ phase }) => phase === 'success',
      })
      if (path) {
        const said = new Map(path.map((step) => [step.line, step.value]))
        expect(runStack(stack, (at) => ({ value: said.get(at) ?? 'auth_err', cred: 'success' })).phase).toBe('success')
      } else {
        // Every combination: three answers, at most five lines.
        for (let code = 0; code < 3 ** stack.length; code++) {
          const pick = (at: number): Answer => all[Math.floor(code / 3 ** at) % 3]!
          expect(runStack(stack, (at) => pick(stack.indexOf(at))).phase).not.toBe('success')
        }
      }
    }),
    { numRuns: 400 },
  )
})

test('a control that is written is read back', () => {
  fc.assert(
    fc.property(control, (how) => {
      expect(parsePamControl(formatPamControl(how))).toEqual(how)
    }),
  )
})

test('what is broken in one place is read, and never as anything but lines of the four types', () => {
  const text = `auth [success=1 default=ignore] pam_unix.so nullok # x\n@include common-auth\naccount include [a]\n-session x y\\\n z\n`
  for (const bytes of mutations([new TextEncoder().encode(text)])) {
    const mutated = new TextDecoder().decode(bytes)
    for (const entry of parsePamFile(mutated)) expect(entry.number).toBeGreaterThan(0)
    stackOf('x', 'auth', (file) => (file === 'x' ? mutated : undefined))
  }
})

test('a file that includes itself ends', () => {
  expect(stackOf('x', 'auth', () => 'auth include x\n')).toBeUndefined()
})
