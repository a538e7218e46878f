// The door for screen lockers without a socket: whom it believes, what it starts, and when it stops listening.
import { expect, test } from 'bun:test'
import { concat, utf8 } from '../../src/base/bytes.ts'
import type { Exit, SpawnOptions } from '../../src/base/world.ts'
import { openUnlock, unlockLimits } from '../../src/userdb/unlock.ts'
import { formatUnlockCall, parseUnlockReply } from '../../src/userdb/unlock-format.ts'
import { splitMessages } from '../../src/userdb/varlink-format.ts'
import { fakeWorld } from '../fakes/world.ts'

const alice = { uid: 20001, pid: 100 }
const names = new Map([
  [20001, 'alice'],
  [20002, 'bob'],
])

function door(spawn: (argv: readonly string[], options?: SpawnOptions) => Promise<Exit>) {
  const world = { ...fakeWorld(), spawn }
  const unlock = openUnlock({ world, directory: { follow: () => undefined, portalUser: (uid) => names.get(uid) } })
  const ask = async (peer = alice, user = 'alice', answer = 'secret') => {
    const conversation = unlock.open(peer)
    const reply = await conversation?.receive(formatUnlockCall({ user, phase: 'auth', answer: utf8(answer) }))
    conversation?.end()
    return reply instanceof Uint8Array ? parseUnlockReply(splitMessages(Uint8Array.from(reply)).messages[0]!) : reply
  }
  return { world, unlock, ask }
}

const says =
  (code: number, stdout = '') =>
  async (): Promise<Exit> => ({ code, stdout, stderr: '' })

test('the verdict is the exit status of the process that decided, and only 0 allows', async () => {
  for (const code of [0, 1, 64, 70, 75, 127, 137])
    expect([code, await door(says(code, 'text')).ask()]).toEqual([code, { allowed: code === 0, text: 'text' }])
})

test('what was typed goes to standard input, never into the arguments', async () => {
  const seen: unknown[] = []
  const { ask } = door(async (argv, options) => {
    seen.push(argv, new TextDecoder().decode(options?.stdin as Uint8Array))
    return { code: 0, stdout: '', stderr: '' }
  })
  await ask()
  expect(seen).toEqual([['/proc/self/exe', 'unlock', 'alice', 'auth'], 'secret'])
})

test.each([
  ['about somebody else', alice, 'bob'],
  ['about nobody', alice, ''],
  ['from a local account', { uid: 1000, pid: 1 }, 'alice'],
  ['from root', { uid: 0, pid: 1 }, 'alice'],
])('a question %s starts nothing', async (_what, peer, user) => {
  let started = 0
  const { ask } = door(async () => {
    started++
    return { code: 0, stdout: '', stderr: '' }
  })
  expect([(await ask(peer, user)) as object, started]).toEqual([expect.objectContaining({ allowed: false }), 0])
})

test('a burst of questions is answered, then one every few seconds, each user counted alone', async () => {
  const { ask, world } = door(says(0))
  const counted = async (count: number, peer = alice, user = 'alice') => {
    let allowed = 0
    for (let i = 0; i < count; i++) {
      const reply = await ask(peer, user)
      if (typeof reply === 'object' && 'allowed' in reply && reply.allowed) allowed++
    }
    return allowed
  }
  expect(await counted(30)).toBe(unlockLimits.burst)
  world.clock.now += unlockLimits.secondsPerQuestion * 2
  expect([await counted(5), await counted(3, { uid: 20002, pid: 7 }, 'bob')]).toEqual([2, 3])
})

test('few processes at a time; the others wait their turn, and none is lost', async () => {
  let running = 0
  let most = 0
  const gates: (() => void)[] = []
  const { unlock } = door(async () => {
    most = Math.max(most, ++running)
    await new Promise<void>((resolve) => gates.push(resolve))
    running--
    return { code: 0, stdout: '', stderr: '' }
  })
  const replies = Array.from({ length: 8 }, (_, at) => {
    names.set(21000 + at, `u${at}`)
    const call = formatUnlockCall({ user: `u${at}`, phase: 'auth', answer: utf8('x') })
    return unlock.open({ uid: 21000 + at, pid: at })!.receive(call) as Promise<Uint8Array>
  })
  for (let done = 0; done < 8; done++) {
    while (gates.length === 0) await Bun.sleep(0)
    gates.shift()!()
  }
  expect([(await Promise.all(replies)).length, most]).toEqual([8, unlockLimits.processes])
})

test('what was started goes on without its caller, and what waits is not started', async () => {
  const started: string[] = []
  const gates: (() => void)[] = []
  const { unlock } = door(async (argv, options) => {
    started.push(argv[2]!)
    expect(options?.signal).toBeUndefined()
    await new Promise<void>((resolve) => gates.push(resolve))
    return { code: 0, stdout: '', stderr: '' }
  })
  const callers = ['a', 'b', 'c', 'd'].map((user, at) => {
    names.set(22000 + at, user)
    const conversation = unlock.open({ uid: 22000 + at, pid: at })!
    const reply = conversation.receive(formatUnlockCall({ user, phase: 'auth', answer: utf8('x') }))
    return { conversation, reply: reply as Promise<Uint8Array> }
  })
  while (gates.length < unlockLimits.processes) await Bun.sleep(0)
  for (const { conversation } of callers) conversation.end()
  for (const open of gates) open()
  await Promise.all(callers.map(({ reply }) => reply))
  expect(started).toEqual(['a', 'b', 'c'])
})

test('two questions of one user at a time, whoever else waits', async () => {
  const gates: (() => void)[] = []
  const { ask } = door(async () => {
    await new Promise<void>((resolve) => gates.push(resolve))
    return { code: 0, stdout: '', stderr: '' }
  })
  const asked = [ask(), ask(), ask()]
  expect((await asked[2]) as object).toMatchObject({ allowed: false })
  while (gates.length < 2) await Bun.sleep(0)
  for (const open of gates) open()
  expect((await Promise.all(asked)).map((reply) => (reply as { allowed: boolean }).allowed)).toEqual([
    true,
    true,
    false,
  ])
})

test('callers who are no portal users take few of the connections, under however many uids', () => {
  const { unlock } = door(says(0))
  const strangers = Array.from({ length: 64 }, (_, at) => unlock.open({ uid: 300_000 + at, pid: at }))
  expect(strangers.filter((one) => one !== undefined).length).toBe(unlockLimits.connectionsOfStrangers)
  expect(unlock.open(alice)).toBeDefined()
  for (const one of strangers) one?.end()
  expect(unlock.open({ uid: 400_000, pid: 1 })).toBeDefined()
})

test('one question a connection, in pieces if need be; anything else is hung up on', () => {
  const { unlock } = door(says(0))
  const call = formatUnlockCall({ user: 'alice', phase: 'auth', answer: utf8('x') })
  const fresh = () => {
    const conversation = unlock.open(alice)!
    conversation.end()
    return conversation
  }
  const slow = fresh()
  expect([slow.receive(call.slice(0, 10)), slow.receive(call.slice(10, -1))]).toEqual(['more', 'more'])
  expect(slow.receive(call.slice(-1))).toBeInstanceOf(Promise)
  expect(slow.receive(call)).toBe('hang-up')
  expect(fresh().receive(concat(call, call))).toBe('hang-up')
  expect(fresh().receive(concat(call, utf8('x')))).toBe('hang-up')
  expect(fresh().receive(utf8('{}\0'))).toBe('hang-up')
  expect(fresh().receive(new Uint8Array(unlockLimits.message + 1).fill(120))).toBe('hang-up')
})

test('few connections for each user, and a closed one makes room', () => {
  const { unlock } = door(says(0))
  const open = Array.from({ length: unlockLimits.connectionsOfOne }, () => unlock.open(alice))
  expect([open.includes(undefined), unlock.open(alice)]).toEqual([false, undefined])
  open[0]?.end()
  open[0]?.end()
  expect([unlock.open(alice) !== undefined, unlock.open(alice)]).toEqual([true, undefined])
})
