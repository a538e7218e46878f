// The audit log as ob why finds it after a bad day.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/why.ts'
import { formatAuditLine } from '../../../src/audit/event-format.ts'
import { fakeWorld } from '../../fakes/world.ts'

const line = (outcome: string): string =>
  formatAuditLine({
    timestamp: 1_790_000_000,
    event_type: 'AUTHZ_DENIED',
    correlation_id: '0'.repeat(36),
    host: 'host1',
    user: 'alice',
    result_code: 4,
    reason: 'portal-denied',
    details: 'because \u202e of \u001b[31m that',
    more: { outcome },
  })

async function explained(log: Uint8Array): Promise<string> {
  const world = fakeWorld({
    files: { '/etc/open-bastion/openbastion.conf': 'portal_url = https://auth.example.test\n' },
  })
  const file = { data: log, mode: 0o640, uid: 0, gid: 0, modifiedAt: 0 }
  world.disk.set('/var/log/open-bastion/audit.json', file)
  const ending = await mode.run(['alice', '--last'], world)
  return ending.text ?? ''
}

test('a letter that was cut in two on a full disk spoils one line and not the log', async () => {
  const log = Buffer.concat([Buffer.from(`${line('denied')}\n{"timestamp":"20`), Buffer.from([0xe2, 0x80, 10])])
  expect(await explained(log)).toContain('alice, service ?: denied (portal-denied)')
})

test('nothing in a line of the log can steer the terminal', async () => {
  expect(await explained(Buffer.from(`${line('\u001b[2J\u202e')}\n`))).not.toMatch(/[^\n -~’…]/)
})
