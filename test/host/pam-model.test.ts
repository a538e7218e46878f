// The model of PAM against libpam: random stacks with includes, substacks and jumps, whose modules answer as told.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { pamValues } from '../../src/health/pam-control-format.ts'
import { stackOf } from '../../src/health/pam-stack-policy.ts'
import { runStack } from '../../src/health/pam-walk-policy.ts'
import { type Namespace, refusal, startNamespace } from './namespace.ts'
import { answersAsWritten, type Files, pamTexts, randomService } from './pam-stacks.ts'

const hasSpace = refusal() === undefined
const services = 150
const seed = 7

type Case = { readonly name: string; readonly files: Files }

const cases: readonly Case[] = fc
  .sample(randomService, { numRuns: services, seed })
  .map((service, at) => ({ name: `ob${at}`, files: service(`ob${at}`) }))

/** pamtester says what libpam said, in words. */
const spoken = new Map<string, string>()

describe.skipIf(!hasSpace)('the model and libpam agree', () => {
  let space: Namespace
  beforeAll(async () => {
    space = await startNamespace()
    const files = Object.assign({}, ...cases.map(({ files }) => files)) as Files
    const write = Object.entries(files).map(([file, text]) => `cat > /etc/pam.d/${file} <<'END'\n${text}END\n`)
    const ask = cases.map(
      ({ name }) =>
        `echo "${name} auth $(say ${name} authenticate setcred)"; echo "${name} account $(say ${name} acct_mgmt)"`,
    )
    const say = 'say() { service=$1; shift; pamtester "$service" root "$@" 2>&1 </dev/null | tr "\\n" "|"; }'
    const { stdout, stderr, code } = await space.run(['sh'], {
      stdin: [...write, say, ...ask].join('\n'),
      limit: 110_000,
    })
    expect([code, stderr]).toEqual([0, ''])
    for (const line of stdout.trimEnd().split('\n')) {
      const [, name, phase, words] = /^(\S+) (\S+) (.*)$/.exec(line) ?? []
      spoken.set(`${name} ${phase}`, words ?? '')
    }
  }, 120_000)
  afterAll(() => space?.stop())

  test('on whether each stack lets in, with what word, and on pam_setcred after it', () => {
    const seen = new Map<string, number>()
    for (const { name, files } of cases) {
      const read = (file: string): string | undefined => files[file]
      for (const type of ['auth', 'account'] as const) {
        const words = spoken.get(`${name} ${type}`)
        const stack = stackOf(name, type, read)
        const expected = stack ? sentences(type, runStack(stack, answersAsWritten(type))) : 'Initialization failure'
        expect([name, files, type, heard(words)]).toEqual([name, files, type, expected])
        seen.set(expected, (seen.get(expected) ?? 0) + 1)
      }
    }
    // The generator makes what is worth comparing.
    expect(seen.get('successfully authenticated; credential info has successfully been set.')).toBeGreaterThan(20)
    expect(seen.get('account management done.')).toBeGreaterThan(20)
    expect(seen.get(pamTexts.get('perm_denied')!)).toBeGreaterThan(20)
    expect([...seen.keys()].length).toBeGreaterThan(pamValues.length / 2)
  })
})

/** Without what pam_debug prints; standard output and standard error come in any order. */
const heard = (words: string | undefined): string =>
  (words ?? '')
    .split('|')
    .flatMap((line) => (line.startsWith('pamtester: ') ? [line.slice('pamtester: '.length)] : []))
    .sort((a, b) => Number(b.startsWith('successfully')) - Number(a.startsWith('successfully')))
    .join('; ')

function sentences(type: 'auth' | 'account', { phase, cred }: ReturnType<typeof runStack>): string {
  if (phase !== 'success') return pamTexts.get(phase)!
  if (type === 'account') return 'account management done.'
  const after = cred === 'success' ? 'credential info has successfully been set.' : pamTexts.get(cred)!
  return `successfully authenticated; ${after}`
}
