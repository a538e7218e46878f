import { expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import { updateKrl } from '../../src/revocation/krl.ts'
import { formatEmptyList } from '../../src/revocation/krl-format.ts'
import { fakeWorld } from '../fakes/world.ts'
import { configText, pem } from '../modes/host.ts'

test.each([
  ['', 'https://auth.example.test/ssh/revoked'],
  ['krl_url = https://ca.example.test/revoked_keys', 'https://ca.example.test/revoked_keys'],
])('with "%s" the revocation list comes from %s', async (line, expected) => {
  const asked: string[] = []
  const world = fakeWorld({
    files: { '/etc/open-bastion/openbastion.conf': configText(line), '/etc/open-bastion/ca.pem': pem },
    fetch: ({ url }) => {
      asked.push(url)
      return new Response(formatEmptyList(), { headers: { 'content-type': 'application/octet-stream' } })
    },
    spawn: () => ({ code: 0 }),
  })
  expect((await updateKrl(world, loadConfig(world.files), false)).kind).toBe('written')
  expect(asked).toEqual([expected])
})
