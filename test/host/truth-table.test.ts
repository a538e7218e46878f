// What a real sshd and a real sudo do with each stack: who gets in, what the audit log says, and what the portal was
// asked. One row a case; the stacks in its first column are all run. Read the tables first, the machinery is below
// them.
import { expect, test } from 'bun:test'
import { inventedToken, mintToken, settleIn } from './enrolled.ts'
import { type Lab, localAdmin, type SshOptions, type Stack } from './lab.ts'
import { changedFiles, machineState } from './machine.ts'
import { hasLab, inLab, isServed } from './suite.ts'

type When =
  | 'always'
  | 'portal refuses'
  | 'portal is silent'
  | 'portal says 503'
  | 'portal answers HTML'
  | 'no program'
  | 'program killed'
  | 'program exits 1'

// biome-ignore format: a table
const logins: readonly (readonly [string, string, Proof, When, 'in' | 'out', string, string])[] = [
  // stacks  user        proof                       when                 result  reasons, in order
  // portal was asked
  // One-time tokens.
  ['abd',   'alice',    'a token',                  'always',            'in',   'token-accepted portal-allowed session-opened', 'verify authorize'],
  ['bd',    'alice',    'a token as password',      'always',            'in',   'token-accepted portal-allowed session-opened', 'verify authorize'],
  ['a',     'alice',    'a token as password',      'always',            'out',  '',                                        ''],
  ['abd',   'alice',    'an invented token',        'always',            'out',  'token-rejected',                          'verify'],
  ['abd',   'alice',    'a spent token',            'always',            'out',  'token-replayed',                          ''],
  ['abd',   'alice',    'a token of bob',           'always',            'out',  'token-of-another-user',                   'verify'],
  ['abd',   'dave',     'a token',                  'always',            'out',  'token-accepted portal-denied',            'verify authorize'],
  ['abd',   'alice',    'nothing',                  'always',            'out',  'no-token',                                ''],
  ['abd',   'alice',    '511 bytes',                'always',            'out',  'token-cut',                               ''],
  ['abd',   'alice',    '900 bytes',                'always',            'out',  'token-cut',                               ''],
  ['abd',   'alice',    'bytes no token has',       'always',            'out',  'token-malformed',                         ''],
  ['abd',   'alice',    'a token',                  'portal refuses',    'out',  'portal-unreachable',                      ''],
  ['a',     'alice',    'a token',                  'portal is silent',  'out',  'portal-unreachable',                      ''],
  ['ad',    'alice',    'a token',                  'portal says 503',   'out',  'token-accepted portal-unreachable',       'verify authorize'],
  ['ad',    'alice',    'a token',                  'portal answers HTML', 'out', 'token-accepted portal-out-of-order',     'verify authorize'],
  ['abd',   'alice',    'a token',                  'no program',        'out',  '',                                        ''],
  ['abd',   'alice',    'a token',                  'program killed',    'out',  '',                                        ''],
  ['abd',   'alice',    'a token',                  'program exits 1',   'out',  '',                                        ''],
  ['ce',    'alice',    'a token',                  'always',            'out',  '',                                        ''],

  // Nobody knows ghost: what sshd hands over is its placeholder, which must never be asked about as a token.
  ['abd',   'ghost',    'an invented token',        'always',            'out',  'unknown-to-sshd',                         'authorize'],
  ['abd',   'ghost',    "a token of bob",           'always',            'out',  'unknown-to-sshd',                         'authorize'],
  ['ce',    'ghost',    'a key',                    'always',            'out',  '',                                        ''],

  // Unix passwords. A right one is never sent to the portal.
  ['bd',    'localadm', 'the Unix password',        'always',            'in',   'portal-allowed session-opened',           'authorize'],
  ['bd',    'localadm', 'a wrong Unix password',    'always',            'out',  'not-a-token',                             'authorize'],
  ['bd',    'localadm', 'the Unix password',        'portal refuses',    'out',  'portal-unreachable',                      ''],
  ['bd',    'localadm', 'the Unix password',        'no program',        'out',  '',                                        ''],
  ['bd',    'localadm', 'the Unix password',        'program exits 1',   'out',  '',                                        ''],
  ['a',     'localadm', 'the Unix password',        'always',            'out',  'token-malformed',                         ''],
  ['ce',    'localadm', 'the Unix password',        'always',            'out',  '',                                        ''],
  ['bd',    'root',     'a wrong Unix password',    'always',            'out',  '',                                        ''],

  // Keys.
  ['cd',    'alice',    'a key',                    'always',            'in',   'portal-allowed session-opened',           'authorize'],
  ['cd',    'alice',    'a key nobody listed',      'always',            'out',  '',                                        ''],
  ['cd',    'alice',    'a key of bob',             'always',            'out',  '',                                        ''],
  ['cd',    'alice',    'a key in ~/.ssh',          'always',            'out',  '',                                        ''],
  ['cd',    'dave',     'a key',                    'always',            'out',  'portal-denied',                           'authorize'],
  ['cd',    'alice',    'a key',                    'portal refuses',    'out',  'portal-unreachable',                      ''],
  ['cd',    'alice',    'a key',                    'portal says 503',   'out',  'portal-unreachable',                      'authorize'],
  ['cd',    'alice',    'a key',                    'portal answers HTML', 'out', 'portal-out-of-order',                    'authorize'],
  ['cd',    'alice',    'a key',                    'no program',        'out',  '',                                        ''],
  ['cd',    'alice',    'a key',                    'program exits 1',   'out',  '',                                        ''],
  ['abe',   'alice',    'a key',                    'always',            'out',  '',                                        ''],

  // Certificates: the portal is asked again in the session, with the fingerprint that was proven.
  ['e',     'alice',    'a certificate',            'always',            'in',   'portal-allowed key-accepted',             'authorize authorize'],
  ['e',     'alice',    'a forgotten certificate',  'always',            'out',  'portal-allowed key-denied',               'authorize authorize'],
  ['e',     'alice',    'a certificate of bob',     'always',            'out',  '',                                        ''],
  ['e',     'alice',    'a foreign certificate',    'always',            'out',  '',                                        ''],
  ['e',     'alice',    'an expired certificate',   'always',            'out',  '',                                        ''],
  ['e',     'alice',    'a revoked certificate',    'always',            'out',  '',                                        ''],
  ['e',     'dave',     'a certificate',            'always',            'out',  'portal-denied',                           'authorize'],
  ['e',     'alice',    'a certificate',            'portal refuses',    'out',  'portal-unreachable',                      ''],
  ['e',     'alice',    'a certificate',            'portal answers HTML', 'out', 'portal-out-of-order',                    'authorize'],
  ['e',     'alice',    'a certificate',            'no program',        'out',  '',                                        ''],
  ['e',     'alice',    'a certificate',            'program exits 1',   'out',  '',                                        ''],

  // root comes in by root's own key, whatever happened to everything else.
  ['abcde', 'root',     "root's key",               'always',            'in',   '',                                        ''],
  ['abcde', 'root',     "root's key",               'portal refuses',    'in',   '',                                        ''],
  ['abcde', 'root',     "root's key",               'no program',        'in',   '',                                        ''],
]

// biome-ignore format: a table
const sudos: readonly (readonly [string, string, Proof, string, When, 'root' | 'refused', string, string])[] = [
  // stacks  caller      proof                    command      when               result     reasons, in order
  // portal was asked
  ['abde',  'alice',    'a token',               'id -un',    'always',          'root',    'token-accepted sudo-allowed', 'verify authorize'],
  ['abde',  'alice',    'a token',               '-i id -un', 'always',          'root',    'token-accepted sudo-allowed', 'verify authorize'],
  ['abde',  'bob',      'a token',               'id -un',    'always',          'refused', 'token-accepted sudo-denied',  'verify authorize'],
  ['abde',  'bob',      'a token',               '-i id -un', 'always',          'refused', 'token-accepted sudo-denied',  'verify authorize'],
  ['abde',  'alice',    'an invented token',     'id -un',    'always',          'refused', 'token-rejected',              'verify'],
  ['abde',  'alice',    'a spent token',         'id -un',    'always',          'refused', 'token-replayed',              ''],
  ['abde',  'alice',    'a token',               'id -un',    'portal refuses',  'refused', 'portal-unreachable',          ''],
  ['abde',  'alice',    'a token',               'id -un',    'no program',      'refused', '',                            ''],
  ['bd',    'localadm', 'the Unix password',     'id -un',    'always',          'root',    'sudo-allowed',                'authorize'],
  ['ae',    'localadm', 'the Unix password',     'id -un',    'always',          'refused', 'token-malformed',             ''],
  ['c',     'alice',    'no question',           'id -un',    'always',          'root',    'sudo-allowed',                'authorize'],
  ['c',     'alice',    'no question',           '-i id -un', 'always',          'root',    'sudo-allowed',                'authorize'],
  ['c',     'bob',      'no question',           'id -un',    'always',          'refused', 'sudo-denied',                 'authorize'],
  ['c',     'alice',    'no question',           'id -un',    'portal refuses',  'refused', 'portal-unreachable',          ''],
  ['c',     'alice',    'no question',           'id -un',    'program exits 1', 'refused', '',                            ''],
  ['abcde', 'root',     'no question',           'id -un',    'portal refuses',  'root',    '',                            ''],
  ['abcde', 'root',     'no question',           '-i id -un', 'no program',      'root',    '',                            ''],
]

const stacks: readonly Stack[] = ['a', 'b', 'c', 'd', 'e']

// --- how a proof is made -------------------------------------------------------------------------------------------

type Dialogue = Omit<SshOptions, 'user'>
const typed = (answer: string): Dialogue => ({ answers: [answer] })
const key = (name: string): Dialogue => ({ key: `/root/keys/${name}` })

const proofs = {
  'a token': async (user: string) => typed(await mintToken(lab, user)),
  'a token as password': async (user: string): Promise<Dialogue> => ({
    ...typed(await mintToken(lab, user)),
    method: 'password',
  }),
  'an invented token': async () => typed(inventedToken()),
  'a spent token': async (user: string) => typed(await spend(user)),
  'a token of bob': async () => typed(await mintToken(lab, 'bob')),
  nothing: async () => typed(''),
  '511 bytes': async () => typed('f'.repeat(511)),
  '900 bytes': async () => typed('f'.repeat(900)),
  'bytes no token has': async () => typed('caf\u00e9 token'),
  'the Unix password': async () => typed(localAdmin.password),
  'a wrong Unix password': async () => typed('guess'),
  'a key': async (user: string) => key(`${user}-listed`),
  'a key nobody listed': async () => key('stranger'),
  'a key of bob': async () => key('bob-listed'),
  'a key in ~/.ssh': async () => key('self-made'),
  'a certificate': async (user: string) => key(`${user}-certified`),
  'a forgotten certificate': async () => key('forgotten'),
  'a certificate of bob': async () => key('bob-certified'),
  'a foreign certificate': async () => key('foreign'),
  'an expired certificate': async () => key('expired'),
  'a revoked certificate': async () => key('revoked'),
  "root's key": async (): Promise<Dialogue> => ({ key: '/root/.ssh/id_root' }),
  'no question': async (): Promise<Dialogue> => ({ answers: [] }),
} satisfies Record<string, (user: string) => Promise<Dialogue>>

type Proof = keyof typeof proofs

/** A token that this host saw before: spent through PAM, whatever the stack. */
async function spend(user: string): Promise<string> {
  const token = await mintToken(lab, user)
  const env = { PAM_TYPE: 'auth', PAM_SERVICE: 'sshd', PAM_USER: user, PAM_RHOST: '127.0.0.1' }
  const first = await lab.run(['/usr/sbin/ob'], { stdin: token, env })
  expect(first.code).toBe(0)
  return token
}

// --- the host ------------------------------------------------------------------------------------------------------

let lab: Lab
let stackNow: Stack | undefined
const before = machineState()

inLab({}, async (started) => {
  lab = started
  await settleIn(lab)
})

/** Puts the stack in place and forgets what earlier rows left: failures, audit lines, requests. */
async function begin(stack: Stack): Promise<void> {
  if (stackNow !== stack) await lab.setStack(stack)
  stackNow = stack
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit /run/open-bastion/newcomers /run/sudo/ts/*')
}

const arrange: Readonly<Record<When, () => Promise<unknown>>> = {
  always: async () => {},
  'portal refuses': () => lab.cutNetwork('refused'),
  'portal says 503': () => lab.portal('fault', { path: '/pam/authorize', kind: 'down' }),
  'portal answers HTML': () => lab.portal('fault', { path: '/pam/authorize', kind: 'html' }),
  'portal is silent': () => lab.cutNetwork('silent'),
  'no program': () => lab.replaceProgram(undefined),
  'program killed': () => lab.replaceProgram('#!/bin/sh\nkill -KILL $$\n'),
  'program exits 1': () => lab.replaceProgram('#!/bin/sh\nexit 1\n'),
}

async function during<T>(when: When, work: () => Promise<T>): Promise<T> {
  await arrange[when]()
  try {
    return await work()
  } finally {
    if (when.startsWith('portal')) await Promise.all([lab.restore(), lab.portal('fault', { kind: 'none' })])
    else if (when !== 'always') await lab.restoreProgram()
  }
}

type Logged = { readonly path: string }

/** What timers and ob serve ask, in their own time. */
const beside: ReadonlySet<string> = new Set(['/pam/heartbeat', '/pam/userinfo'])

async function askedOfPortal(): Promise<string> {
  const log = (await lab.portal('requests')) as readonly Logged[]
  return log
    .filter(({ path }) => path.startsWith('/pam/') && !beside.has(path))
    .map(({ path }) => path.slice('/pam/'.length))
    .join(' ')
}

const reasons = (): string =>
  lab
    .audit()
    .map(({ reason }) => reason)
    .join(' ')

/** Runs the work with clean logs and says what they hold afterwards. */
async function watched<T>(work: () => Promise<T>): Promise<{ result: T; reasons: string; asked: string }> {
  lab.audit()
  await lab.portal('forgetRequests')
  const result = await work()
  return { result, reasons: reasons(), asked: await askedOfPortal() }
}

// --- the tables, run -----------------------------------------------------------------------------------------------

const limit = 40_000
const lab_test = hasLab ? test : test.skip

for (const stack of stacks) {
  for (const [where, user, proof, when, verdict, expectedReasons, expectedAsked] of logins) {
    if (!where.includes(stack)) continue
    const circumstance = when === 'always' ? '' : `, ${when}`
    lab_test(
      `stack ${stack}: ${user} with ${proof}${circumstance}: ${verdict}`,
      async () => {
        await begin(stack)
        const dialogue = await proofs[proof](user)
        const seen = await watched(() => during(when, () => lab.ssh({ user, ...dialogue })))
        // On a connection that was kept, the question waits for the portal until it speaks again.
        const asked = isServed && when === 'portal is silent' ? expectedAsked : seen.asked
        const row = { verdict: seen.result.entered ? 'in' : 'out', reasons: seen.reasons, asked }
        const expected = { verdict, reasons: expectedReasons, asked: expectedAsked }
        if (!Bun.deepEquals(row, expected)) console.error(seen.result.stderr, lab.sshdLog().slice(-3000))
        expect(row).toEqual(expected)
      },
      limit,
    )
  }
  for (const [where, user, proof, command, when, verdict, expectedReasons, expectedAsked] of sudos) {
    if (!where.includes(stack)) continue
    const circumstance = when === 'always' ? '' : `, ${when}`
    lab_test(
      `stack ${stack}: sudo ${command} by ${user} with ${proof}${circumstance}: ${verdict}`,
      async () => {
        await begin(stack)
        const { answers = [] } = await proofs[proof](user)
        const seen = await watched(() => during(when, () => lab.sudo(user, command.split(' '), answers)))
        const became = seen.result.code === 0 && /^root$/m.test(seen.result.output) ? 'root' : 'refused'
        const row = { verdict: became, reasons: seen.reasons, asked: seen.asked }
        const expected = { verdict, reasons: expectedReasons, asked: expectedAsked }
        if (!Bun.deepEquals(row, expected)) console.error(seen.result.output)
        expect(row).toEqual(expected)
      },
      limit,
    )
  }
}

lab_test(
  'the machine itself was not touched',
  () => {
    expect(changedFiles(before, machineState())).toEqual([])
  },
  limit,
)
