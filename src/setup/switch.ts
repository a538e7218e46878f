// The dead man's switch of a set-up: the host goes back by itself unless a login by the new way, or the administrator,
// confirms in time. Under systemd it is a timer that survives the session and a reboot.
import { parseAuditLine } from '../audit/event-format.ts'
import { decodeBytewise } from '../base/bytes.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Journal } from './journal-format.ts'
import { isSystemd } from './units.ts'

const unit = '/etc/systemd/system/ob-setup-revert'

/** `until-reboot`: a process waits; a reboot before the time would leave the new state in place. */
export type Armed = 'timer' | 'until-reboot' | 'not-armed'

/** As systemd writes an instant (systemd.time(7)). */
const instant = (epochSeconds: number): string =>
  new Date(Math.ceil(epochSeconds) * 1000)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')

const service = `[Unit]
Description=Put back the files from before ob setup, unless a login confirmed it
ConditionPathExists=/usr/sbin/ob

[Service]
Type=oneshot
ExecStart=/usr/sbin/ob setup undo --unless-confirmed
`

const timer = (at: number): string => `[Unit]
Description=Put back the files from before ob setup, unless a login confirmed it

[Timer]
OnCalendar=${instant(at)}
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
`

/** Arms the switch for this instant, in epoch seconds. */
export async function arm(world: Parts<'files' | 'spawn' | 'now'>, revertAt: number): Promise<Armed> {
  if (isSystemd(world)) {
    world.files.writeAtomic(`${unit}.service`, service, { mode: 0o644 })
    world.files.writeAtomic(`${unit}.timer`, timer(revertAt), { mode: 0o644 })
    await world.spawn(['systemctl', 'daemon-reload'])
    const { code } = await world.spawn(['systemctl', 'enable', '--now', 'ob-setup-revert.timer'])
    if (code === 0) return 'timer'
  }
  const seconds = String(Math.max(1, Math.ceil(revertAt - world.now())))
  const command = 'sleep "$1"; exec /usr/sbin/ob setup undo --unless-confirmed'
  const { code } = await world.spawn([
    'setsid',
    '--fork',
    'sh',
    '-c',
    `(${command}) </dev/null >/dev/null 2>&1 &`,
    'sh',
    seconds,
  ])
  return code === 0 ? 'until-reboot' : 'not-armed'
}

/** Takes the timer away; a waiting process finds the set-up confirmed and does nothing. */
export async function disarm(world: Parts<'files' | 'spawn'>): Promise<void> {
  if (world.files.stat(`${unit}.timer`) === undefined) return
  await world.spawn(['systemctl', 'disable', '--now', 'ob-setup-revert.timer'])
  world.files.remove(`${unit}.timer`)
  world.files.remove(`${unit}.service`)
  await world.spawn(['systemctl', 'daemon-reload'])
}

const searched = 1 << 20

/** The first user whose session opened over ssh since the set-up: the new way works. */
export function confirmingLogin(world: Parts<'files'>, config: Config, journal: Journal): string | undefined {
  const bytes = world.files.readEnd(config.audit_log_file, searched)
  if (!bytes) return undefined
  for (const line of decodeBytewise(bytes).split('\n')) {
    const event = parseAuditLine(line)
    if (event?.event_type === 'SESSION_OPENED' && event.result_code === 0 && event.timestamp >= journal.startedAt)
      return event.user
  }
  return undefined
}
