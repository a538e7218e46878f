import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/recovery.ts'
import { argon2 } from '../../fakes/argon2.ts'
import { fakeWorld } from '../../fakes/world.ts'

const files = { '/etc/open-bastion/openbastion.conf': 'portal_url = https://auth.example.test\n' }

test('ten codes are printed once, counted and taken away', async () => {
  const world = fakeWorld({ files, argon2 })
  const said = async (...args: readonly string[]): Promise<string> => (await mode.run(args, world)).text ?? ''
  expect(await said('list')).toContain('nobody has recovery codes')
  expect((await said('make', 'alice')).match(/^ {2}R[0-9](-[0-9A-Z]{4}){4}$/gm)?.length).toBe(10)
  expect(await said('list')).toMatch(/^alice +10 left\n$/)
  expect(await said('remove', 'alice')).toContain('no recovery codes any more')
  expect(await said('remove', 'alice')).toBe('alice has no recovery codes\n')
  expect([...world.disk.keys()].filter((path) => path.includes('recovery/alice'))).toEqual([])
}, 20_000)

test.each([[['make']], [['make', '../x']], [['steal', 'alice']], [['list', 'alice']]])(
  '%p is refused',
  async (args) => {
    expect((await mode.run(args, fakeWorld({ files }))).kind).toBe('usage')
  },
)
