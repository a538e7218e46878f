// A screen locker's question, from both ends and without a socket: what ob serve runs for it, and what the locker's own
// process makes of the answer.
import { expect, test } from 'bun:test'
import { askServe } from '../../../modes/pam/ask-daemon.ts'
import { mode } from '../../../modes/pam/unlock.ts'
import type { Ending } from '../../../modes/run/mode.ts'
import { utf8 } from '../../../src/base/bytes.ts'
import { formatUnlockReply, parseUnlockCall } from '../../../src/userdb/unlock-format.ts'
import { splitMessages } from '../../../src/userdb/varlink-format.ts'
import { type FakeWorld, fakeWorld } from '../../fakes/world.ts'
import { enrolledHost, type Host } from '../host.ts'

const outcomeOf = (ending: Ending): string =>
  ending.kind === 'usage' ? 'usage' : `${ending.outcome.kind} ${ending.outcome.reason}`

const host = (): Promise<Host> => enrolledHost({ config: 'service_map = unlock=ssh' })

async function unlock({ world }: Host, phase: string, typed = '', user = 'rtyler'): Promise<string> {
  const one: FakeWorld = { ...world, stdin: (limit) => utf8(typed).subarray(0, limit) }
  return outcomeOf(await mode.run([user, phase], one))
}

test('a screen is unlocked by the token of its user, once, and by nothing else that is typed', async () => {
  const here = await host()
  const token = here.portal.control.mintToken({ user: 'rtyler' })
  const ofAnother = here.portal.control.mintToken({ user: 'dwho' })
  expect(await unlock(here, 'auth', '0'.repeat(64))).toBe('denied token-rejected')
  expect(await unlock(here, 'auth', 'anything')).toBe('denied not-a-token')
  expect(await unlock(here, 'auth', '')).toBe('denied no-token')
  expect(await unlock(here, 'auth', ofAnother)).toBe('denied token-of-another-user')
  expect(await unlock(here, 'auth', token)).toBe('allowed portal-allowed')
  expect(await unlock(here, 'auth', token)).toBe('denied token-replayed')
})

test('who proved the user still needs the word of the portal about this host', async () => {
  const here = await host()
  here.portal.control.setRules({ group: 'backend', ssh: false })
  const token = here.portal.control.mintToken({ user: 'rtyler' })
  expect(await unlock(here, 'auth', token)).toBe('denied portal-denied')
  expect(await unlock(here, 'account')).toBe('denied portal-denied')
})

test.each([[['rtyler']], [['rtyler', 'session']], [['rtyler', 'auth', 'now']], [['', 'auth']]])(
  'it decides nothing with the arguments %j',
  async (args) => {
    expect(outcomeOf(await mode.run(args, (await host()).world))).toBe('usage')
  },
)

test('nobody but root decides', async () => {
  const { world } = await host()
  await expect(mode.run(['rtyler', 'auth'], { ...world, userId: 1000 })).rejects.toThrow('must be started by root')
})

/** The locker's own process, for whose question ob serve has this answer. */
async function locker(phase: 'auth' | 'account', answer: Uint8Array<ArrayBuffer> | undefined, typed = 'secret') {
  const world = { ...fakeWorld({ env: { PAM_USER: 'alice' } }), stdin: () => utf8(typed) }
  let asked: unknown
  const ending = await askServe(phase, world, async (_path, question) => {
    asked = parseUnlockCall(splitMessages(Uint8Array.from(question)).messages[0]!)
    return answer
  })
  return { outcome: outcomeOf(ending), text: ending.text, asked }
}

const reply = (allowed: boolean): Uint8Array<ArrayBuffer> =>
  splitMessages(Uint8Array.from(formatUnlockReply({ allowed, text: 'because' }))).messages[0]!

test('only a yes of ob serve unlocks', async () => {
  expect(await locker('auth', reply(true))).toMatchObject({ outcome: 'allowed unlocked', text: 'because' })
  expect(await locker('auth', reply(false))).toMatchObject({ outcome: 'denied unlock-refused', text: 'because' })
  expect((await locker('auth', undefined)).outcome).toBe('unavailable serve-away')
  for (const text of ['', '{}', '{"parameters":{"allowed":"true"}}', '{"error":"x","parameters":{"allowed":true}}'])
    expect([text, (await locker('auth', utf8(text))).outcome]).toEqual([text, 'denied unlock-refused'])
})

test('what was typed goes to ob serve in the auth phase alone, under the name that PAM has', async () => {
  expect((await locker('auth', reply(true))).asked).toEqual({ user: 'alice', phase: 'auth', answer: utf8('secret') })
  expect((await locker('account', reply(true))).asked).toEqual({ user: 'alice', phase: 'account', answer: utf8('') })
})
