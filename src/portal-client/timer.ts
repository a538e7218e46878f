// The systemd timers that send heartbeats and look after offline sessions: whether they run, and how they are armed.

import type { Parts } from '../base/world.ts'
import type { TimerState } from './enrollment-policy.ts'

const unit = 'ob-heartbeat.timer'
const monitor = 'ob-monitor.timer'

// systemd.unit(5), the unit search path.
const places = ['/etc', '/run', '/usr/local/lib', '/usr/lib', '/lib']

export async function timerState(world: Parts<'files' | 'spawn'>, name = unit): Promise<TimerState> {
  // sd_booted(3)
  if (!world.files.stat('/run/systemd/system')) return 'no-systemd'
  if (!places.some((root) => world.files.stat(`${root}/systemd/system/${name}`))) return 'not-installed'
  const active = await world.spawn(['systemctl', 'is-active', '--quiet', name])
  if (active.code !== 0) return 'idle'
  const enabled = await world.spawn(['systemctl', 'is-enabled', '--quiet', name])
  return enabled.code === 0 ? 'armed' : 'until-reboot'
}

export type Arming = { readonly armed: boolean; readonly text: string }

/** The one command that does by hand what could not be done here. */
export const armCommand = (state: TimerState): string =>
  state === 'no-systemd' || state === 'not-installed'
    ? `echo '*/5 * * * * root /usr/sbin/ob heartbeat >/dev/null' > /etc/cron.d/ob-heartbeat`
    : `systemctl enable --now ${unit}`

export async function armTimer(world: Parts<'files' | 'spawn'>): Promise<Arming> {
  const state = await timerState(world)
  if (state === 'armed') return { armed: true, text: `${unit} is armed` }
  const command = armCommand(state)
  if (state === 'no-systemd')
    return { armed: false, text: `no systemd runs here, so nothing sends heartbeats yet; run: ${command}` }
  if (state === 'not-installed')
    return { armed: false, text: `${unit} is not installed, so nothing sends heartbeats yet; run: ${command}` }
  const { code, stderr } = await world.spawn(['systemctl', 'enable', '--now', unit])
  if (code === 0) return { armed: true, text: `${unit} is armed: it renews the server token every five minutes` }
  const cause = stderr.split('\n')[0]?.slice(0, 200) || `systemctl ended with ${code}`
  return { armed: false, text: `${unit} could not be armed (${cause}); run: ${command}` }
}

/** The timer of ob monitor, which looks after sessions that began while the portal was unreachable. */
export async function armMonitor(world: Parts<'files' | 'spawn'>): Promise<Arming | undefined> {
  const state = await timerState(world, monitor)
  if (state !== 'idle' && state !== 'until-reboot') return undefined
  const { code } = await world.spawn(['systemctl', 'enable', '--now', monitor])
  if (code === 0)
    return { armed: true, text: `${monitor} is armed: it looks after sessions that began without the portal` }
  return { armed: false, text: `${monitor} could not be armed; run: systemctl enable --now ${monitor}` }
}
