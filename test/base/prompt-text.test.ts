// How many lines may stand above a prompt.
import { expect, test } from 'bun:test'
import { linesAllowed } from '../../src/base/prompt-text.ts'
import { fakeWorld } from '../fakes/world.ts'

test.each([
  ['sshd', '/usr/lib/openssh/sshd-session', 27],
  ['open-bastion-sshd', '/usr/libexec/openssh/sshd-session', 27],
  ['login', '/usr/lib/openssh/sshd-session', Number.POSITIVE_INFINITY],
  ['sshd', '/usr/sbin/sshd', Number.POSITIVE_INFINITY],
])('%s, with %s: %p', (service, program, lines) => {
  expect(linesAllowed(fakeWorld({ files: { [program]: '' } }), service)).toBe(lines)
})
