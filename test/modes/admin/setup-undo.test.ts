// The way back of a set-up that is cut while it ends the units: what would start again is ended by the next try.
import { expect, test } from 'bun:test'
import { goBack } from '../../../modes/admin/setup-state.ts'
import { applyPlan, readJournal, setState } from '../../../src/setup/journal.ts'
import { type FakeWorld, fakeWorld } from '../../fakes/world.ts'

const units = ['ob-serve.service', 'ob-heartbeat.timer']

/** Until systemctl lives, whatever asks it is killed. */
function hostWith(systemctl: { lives: boolean; readonly asked: string[] }): FakeWorld {
  const world = fakeWorld({
    files: { '/run/systemd/system': '', '/etc/pam.d/sshd': 'old\n' },
    spawn: (argv) => {
      systemctl.asked.push(argv.slice(1).join(' '))
      return { code: systemctl.lives ? 0 : 137 }
    },
  })
  const edit = { path: '/etc/pam.d/sshd', before: 'old\n', after: 'new\n', mode: 0o644, why: '' }
  const journal = applyPlan(world, { edits: [edit], problems: [] }, { mode: 'a', revertAt: 2_000_000_600, units })
  setState(world, journal, 'applied')
  return world
}

const byHand = { unlessConfirmed: false, ifInterrupted: false, armedFor: undefined }

test.each([
  ['by hand', byHand],
  ['by the switch at the next boot', { ...byHand, ifInterrupted: true }],
])('units that could not be ended are ended %s', async (_name, condition) => {
  const systemctl = { lives: false, asked: [] as string[] }
  const world = hostWith(systemctl)
  await goBack(world, false, byHand)
  expect(readJournal(world)).toMatchObject({ state: 'undone', units })
  systemctl.lives = true
  systemctl.asked.length = 0
  await goBack(world, false, condition)
  expect(systemctl.asked).toContain(`disable --now ${units.join(' ')}`)
  expect(readJournal(world)).toMatchObject({ state: 'undone', units: [] })
  systemctl.asked.length = 0
  await goBack(world, false, condition)
  expect(systemctl.asked.filter((line) => line.startsWith('disable --now ob-serve'))).toEqual([])
})
