// Which login keeps a set-up: one over ssh, by the new way.
import { expect, test } from 'bun:test'
import { formatAuditLine } from '../../src/audit/event-format.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import type { Config } from '../../src/config/load.ts'
import type { PamRequest } from '../../src/login/answers.ts'
import { auditEvent, type Phase } from '../../src/login/event-policy.ts'
import type { Journal } from '../../src/setup/journal-format.ts'
import { confirmingLogin } from '../../src/setup/switch.ts'
import { fakeWorld } from '../fakes/world.ts'

const log = '/var/log/open-bastion/audit.json'
const startedAt = 1_700_000_000

const line = (service: string, seconds: number, phase: Phase = 'open_session', outcome = allowed('session-opened')) => {
  const request = { user: 'alice', service, rhost: '192.0.2.7', connection: '7d0f1c2e-0000-8000' } as PamRequest
  const context = { now: startedAt + seconds, latencyMs: 2, hostname: 'web1', tty: undefined, givenName: undefined }
  return formatAuditLine(auditEvent(phase, request, { result: { outcome, notes: [] }, context }))
}

const confirming = (...lines: readonly string[]) =>
  confirmingLogin(
    fakeWorld({ files: { [log]: `${lines.join('\n')}\n` } }),
    { audit_log_file: log } as Config,
    { startedAt } as Journal,
  )

test('a session over ssh that began since confirms', () => {
  expect(confirming(line('sshd', 5))).toBe('alice')
})

test('neither an earlier one, nor a refusal, nor another phase, nor a login at the screen confirms', () => {
  expect(
    confirming(
      line('sshd', -5),
      line('sshd', 5, 'open_session', denied('portal-denied')),
      line('sshd', 5, 'account', allowed('portal-allowed')),
      line('login', 5),
      line('gdm-password', 5),
      line('sudo', 5, 'open_session', allowed('not-our-session')),
    ),
  ).toBeUndefined()
})
