// ob config, as an administrator types it on a host that Open Bastion's scripts set up.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/config.ts'
import { type FakeWorld, fakeWorld, textOf } from '../../fakes/world.ts'

const path = '/etc/open-bastion/openbastion.conf'
const old = 'portal_url = https://auth.example.test\nclient_secret = hunter2\ntoken_bind_ip = true\nextra = 1\n'

async function ob(world: FakeWorld, ...args: readonly string[]) {
  const ending = await mode.run(args, world)
  if (ending.kind === 'usage') return { outcome: 'usage', text: ending.text }
  return { outcome: ending.outcome.kind, text: ending.text ?? '' }
}
const hostWith = (files: Readonly<Record<string, string>>): FakeWorld => fakeWorld({ files })

test('check names every line that is wrong, and is content with a right file', async () => {
  const found = await ob(hostWith({ [path]: old }), 'check')
  expect(found.outcome).toBe('denied')
  expect(found.text).toContain(`${path} line 3: token_bind_ip is not supported`)
  expect(found.text).toContain('or run: ob config migrate')
  expect(await ob(hostWith({ [path]: old.split('\n').slice(0, 1).join() }), 'check')).toMatchObject({
    outcome: 'allowed',
    text: `${path} is right\n`,
  })
})

test('a dry run shows the difference and each line, without secrets, and writes nothing', async () => {
  const world = hostWith({ [path]: old })
  const { outcome, text } = await ob(world, 'migrate', '--dry-run')
  expect(outcome).toBe('allowed')
  expect(text).toContain('-token_bind_ip = true')
  expect(text).toContain('+# token_bind_ip = true')
  expect(text).toContain('line 4: extra → a comment: no such key, there or here')
  expect(text).not.toContain('hunter2')
  expect([textOf(world, path), world.disk.size]).toEqual([old, 1])
})

test('the migration keeps the old file beside the new one, never over an older copy, and is done once', async () => {
  const world = hostWith({ [path]: old, [`${path}.before-migration`]: 'older' })
  expect((await ob(world, 'migrate')).text).toContain(`the way back is: cp -p ${path}.before-migration.1 ${path}`)
  expect([`${path}.before-migration`, `${path}.before-migration.1`].map((one) => textOf(world, one))).toEqual([
    'older',
    old,
  ])
  expect(world.disk.get(`${path}.before-migration.1`)?.mode).toBe(0o600)
  expect((await ob(world, 'check')).outcome).toBe('allowed')
  expect((await ob(world, 'migrate')).text).toBe(`${path} needs no change\n`)
})

test('where a person has to decide, nothing is written', async () => {
  const world = hostWith({ [path]: `${old}verify_ssl = false\n` })
  const { outcome, text } = await ob(world, 'migrate')
  expect([outcome, textOf(world, path)]).toEqual(['denied', `${old}verify_ssl = false\n`])
  expect(text).toContain('verify_ssl')
  expect(text).toContain('nothing was written; correct these lines first')
})

test('files with secrets that others could read are closed', async () => {
  const world = hostWith({ [path]: old, '/etc/open-bastion/cache.key': 'k'.repeat(32) })
  for (const file of world.disk.values()) file.mode = 0o644
  expect((await ob(world, 'migrate')).text).toContain('cache.key: mode 0600, others could read it')
  for (const [name, { mode }] of world.disk) expect([name, mode]).toEqual([name, 0o600])
  expect(textOf(world, '/etc/open-bastion/cache.key')).toBe('k'.repeat(32))
})

test('misuse is said', async () => {
  const world = hostWith({ [path]: old })
  for (const args of [['mend'], ['check', '--dry-run'], ['migrate', 'x']])
    expect([args, (await ob(world, ...args)).outcome]).toEqual([args, 'usage'])
  await expect(ob(hostWith({}), 'check')).rejects.toThrow('does not exist')
})
