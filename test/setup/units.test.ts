// Which units go with a set-up.
import { expect, test } from 'bun:test'
import { unitsOf } from '../../src/setup/units.ts'

const timers = ['ob-heartbeat.timer', 'ob-monitor.timer']

test.each([
  ['a', 'passwd: files systemd\n', ['ob-serve.service', ...timers]],
  ['a', 'passwd: files extrausers\ngroup: files systemd\n', timers],
  ['a', '', timers],
  ['e', 'passwd: files systemd\n', ['ob-serve.service', ...timers, 'ob-krl.timer']],
  ['eg', 'passwd: files\n', [...timers, 'ob-krl.timer']],
] as const)('mode %s with %j', (mode, nsswitch, names) => {
  expect(unitsOf(mode, nsswitch)).toEqual([...names])
})
