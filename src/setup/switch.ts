// The dead man's switch of a set-up: the host goes back by itself unless a login by the new way, or the administrator,
// confirms in time. Under systemd it is a timer that survives the session and a reboot.
import { parseAuditLine } from '../audit/event-format.ts'
import { decodeBytewise } from '../base/bytes.ts'
import { isSsh } from '../base/pam-service.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { Journal } from './journal-format.ts'
import { isSystemd } from './units.ts'

const switchUnit = '/etc/systemd/system/ob-setup-revert'
const recoveryUnit = '/etc/systemd/system/ob-setup-interrupted.service'
/** What systemctl enable makes of their [Install] sections. */
const links = [
  '/etc/systemd/system/timers.target.wants/ob-setup-revert.timer',
  '/etc/systemd/system/sysinit.target.wants/ob-setup-interrupted.service',
]
const units = ['ob-setup-revert.timer', 'ob-setup-interrupted.service']

/** `until-reboot`: a process waits; a reboot before the time would leave the new state in place. */
export type Armed = 'timer' | 'until-reboot' | 'not-armed'

/** As systemd writes an instant (systemd.time(7)). */
const instant = (epochSeconds: number): string =>
  new Date(Math.ceil(epochSeconds) * 1000)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')

/** The switch of another set-up than the one that counts does nothing. */
const argv = (at: number): string => `/usr/sbin/ob setup undo --unless-confirmed --armed-for ${Math.round(at)}`

const service = (at: number): string => `[Unit]
Description=Put back the files from before ob setup, unless a login confirmed it
ConditionPathExists=/usr/sbin/ob
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=${argv(at)}
Restart=on-failure
RestartSec=30
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

// A host that lost its power in the middle of a set-up must not start sshd with files that nobody tested.
const recovery = `[Unit]
Description=Put back the files from before an ob setup that was interrupted
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target nss-user-lookup.target ssh.service sshd.service
ConditionPathExists=/usr/sbin/ob

[Service]
Type=oneshot
ExecStart=/usr/sbin/ob setup undo --if-interrupted
TimeoutStartSec=20

[Install]
WantedBy=sysinit.target
`

/** Arms the switch for this instant, in epoch seconds. */
export async function arm(world: Parts<'files' | 'spawn' | 'now'>, revertAt: number): Promise<Armed> {
  if (isSystemd(world)) {
    world.files.writeAtomic(`${switchUnit}.service`, service(revertAt), { mode: 0o644 })
    world.files.writeAtomic(`${switchUnit}.timer`, timer(revertAt), { mode: 0o644 })
    world.files.writeAtomic(recoveryUnit, recovery, { mode: 0o644 })
    await world.spawn(['systemctl', 'daemon-reload'])
    const { code } = await world.spawn(['systemctl', 'enable', ...units])
    const started = await world.spawn(['systemctl', 'restart', 'ob-setup-revert.timer'])
    if (code === 0 && started.code === 0) return 'timer'
  }
  const seconds = String(Math.max(1, Math.ceil(revertAt - world.now())))
  const command = `sleep "$1"; exec ${argv(revertAt)}`
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

/** Takes the units away; a waiting process finds the set-up confirmed and does nothing. */
export async function disarm(world: Parts<'files' | 'spawn'>): Promise<void> {
  const files = [`${switchUnit}.timer`, `${switchUnit}.service`, recoveryUnit, ...links]
  if (files.every((path) => world.files.stat(path) === undefined)) return
  // Their links too, where systemctl could not: while a host boots, or after a power cut. Not --now: the recovery may
  // be what runs this.
  await world.spawn(['systemctl', 'disable', ...units])
  await world.spawn(['systemctl', 'stop', 'ob-setup-revert.timer'])
  for (const path of files) world.files.remove(path)
  await world.spawn(['systemctl', 'daemon-reload'])
}

const searched = 1 << 20

/** The first user whose session opened over ssh since the set-up: the new way works. One at the screen says nothing. */
export function confirmingLogin(world: Parts<'files'>, config: Config, journal: Journal): string | undefined {
  const bytes = world.files.readEnd(config.audit_log_file, searched)
  if (!bytes) return undefined
  for (const line of decodeBytewise(bytes).split('\n')) {
    const event = parseAuditLine(line)
    if (event?.event_type !== 'SESSION_OPENED' || !isSsh(event.service ?? '')) continue
    if (event.result_code === 0 && event.timestamp >= journal.startedAt) return event.user
  }
  return undefined
}
