// Replays what a real portal was recorded to answer. Identifiers differ, so recorded ones are mapped to live ones
// in the order in which answers bring them.
import { expect, test } from 'bun:test'
import { prepare, readCookie } from './backstage.ts'
import { compare, compareBody } from './compare.ts'
import { createReplay, exchanges, portalOf, requestOf } from './replay.ts'

/** Nothing is left out today; an exchange that cannot be replayed is named here with the reason. */
const outOfScope: ReadonlyMap<string, string> = new Map<string, string>([])

const replay = createReplay()

for (const recorded of exchanges.filter(({ id }) => !outOfScope.has(id))) {
  test(`${recorded.id} ${recorded.title}`, async () => {
    await prepare.get(recorded.id)?.(replay)
    const live = await portalOf(replay, recorded.id).handle(requestOf(replay, recorded))
    readCookie(replay, recorded.id, live)
    await compare(replay, recorded, live)
  })
}

test('an answer that lacks a member, or has one more, does not pass for the recorded one', () => {
  const objects = exchanges.flatMap((recorded) =>
    typeof recorded.response.json === 'object' && recorded.response.json !== null
      ? [{ recorded, members: Object.entries(recorded.response.json) }]
      : [],
  )
  expect(objects.length).toBeGreaterThan(200)
  for (const { recorded, members } of objects) {
    for (const [name] of members) {
      const rest = Object.fromEntries(members.filter(([other]) => other !== name))
      expect(() => compareBody(replay, recorded, JSON.stringify(rest))).toThrow()
      const retyped = Object.fromEntries(members.map(([other, value]) => [other, other === name ? { value } : value]))
      expect(() => compareBody(replay, recorded, JSON.stringify(retyped))).toThrow()
    }
    const more = Object.fromEntries([...members, ['surplus', 1]])
    expect(() => compareBody(replay, recorded, JSON.stringify(more))).toThrow()
  }
})

test('every recorded exchange is replayed or excused', () => {
  expect(exchanges.length).toBe(260)
  expect([...outOfScope.keys()].filter((id) => !exchanges.some((one) => one.id === id))).toEqual([])
})
