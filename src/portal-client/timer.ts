// The systemd timer that sends heartbeats: whether it runs, and how it is armed.

import type { Parts } from '../base/world.ts'
import type { TimerState } from './enrollment-policy.ts'

const unit = 'ob-heartbeat.timer'

// systemd.unit(5), the unit search path.
const places = ['/etc', '/run', '/usr/local/lib', '/usr/lib', '/lib'].map((root) => `${root}/systemd/system/${unit}`)

export async function timerState(world: Parts<'files' | 'spawn'>): Promise<TimerState> {
  // sd_booted(3)
  if (!world.files.stat('/run/systemd/system')) return 'no-systemd'
  if (!places.some((path) => world.files.stat(path))) return 'not-installed'
  const active = await world.spawn(['systemctl', 'is-active', '--quiet', unit])
  if (active.code !== 0) return 'idle'
  const enabled = await world.spawn(['systemctl', 'is-enabled', '--quiet', unit])
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
