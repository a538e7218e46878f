// A phase that runs into its deadline: refused, with its line in the audit log and a sentence for the person.
import { expect, test } from 'bun:test'
import { runPhase } from '../../../modes/pam/phase.ts'
import type { LoginName } from '../../../src/base/names.ts'
import { audited, fakeWorld } from '../../fakes/world.ts'
import { configText, pem } from '../host.ts'

test('a portal that never answers within the deadline leaves an audit line', async () => {
  const controller = new AbortController()
  const world = fakeWorld({
    files: {
      '/etc/open-bastion/openbastion.conf': configText(),
      '/etc/open-bastion/ca.pem': pem,
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
      '/etc/group': 'root:x:0:\n',
      '/var/lib/open-bastion/token': JSON.stringify({ access_token: 'a', refresh_token: 'r' }),
    },
    deadline: controller.signal,
    fetch: () => {
      controller.abort()
      return new Promise<Response>(() => undefined)
    },
  })
  const request = { service: 'sshd', user: 'alice' as LoginName, rhost: '192.0.2.7', connection: 'c' }
  const ending = await runPhase('account', request, world)
  expect(ending).toMatchObject({ kind: 'outcome', outcome: { kind: 'unavailable', reason: 'deadline-passed' } })
  expect(audited(world).at(-1)).toMatchObject({ reason: 'deadline-passed', user: 'alice', event_type: 'SERVER_ERROR' })
})
