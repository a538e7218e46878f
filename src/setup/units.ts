// The units that a set-up starts, and that go with it: never-seen users are found, the host stays known to its portal.
import type { Parts } from '../base/world.ts'

export const isSystemd = (world: Parts<'files'>): boolean => world.files.stat('/run/systemd/system') !== undefined

/** All units that a set-up may have started; what removes it stops them. */
export const allUnits = ['ob-serve.service', 'ob-heartbeat.timer', 'ob-monitor.timer', 'ob-krl.timer'] as const

/** nss-systemd asks ob serve about users who were never here; without it nobody would ask. */
const asksServices = (nsswitch: string): boolean => /^passwd:.*\bsystemd\b/m.test(nsswitch)

/** What this mode wants to run, given /etc/nsswitch.conf as it will be. */
export const unitsOf = (mode: string, nsswitch: string): readonly string[] =>
  allUnits.filter((name) => {
    if (name === 'ob-serve.service') return asksServices(nsswitch)
    return name === 'ob-krl.timer' ? mode.startsWith('e') : true
  })

/** Those of them that are installed and not enabled. A masked unit is an administrator's decision. */
export async function idleUnits(world: Parts<'files' | 'spawn'>, names: readonly string[]): Promise<readonly string[]> {
  if (!isSystemd(world)) return []
  const idle: string[] = []
  for (const name of names)
    if ((await world.spawn(['systemctl', 'is-enabled', name])).stdout.trim() === 'disabled') idle.push(name)
  return idle
}

/** Those that could not be started. */
export async function startUnits(
  world: Parts<'files' | 'spawn'>,
  names: readonly string[],
): Promise<readonly string[]> {
  const failed: string[] = []
  for (const name of names)
    if ((await world.spawn(['systemctl', 'enable', '--now', name])).code !== 0) failed.push(name)
  return failed
}

/** Ends them, also for the next boot. Those that would start again, or may: systemctl was killed. */
export async function stopUnits(world: Parts<'files' | 'spawn'>, names: readonly string[]): Promise<readonly string[]> {
  if (!isSystemd(world) || names.length === 0) return []
  if ((await world.spawn(['systemctl', 'disable', '--now', ...names])).code === 0) return []
  const left: string[] = []
  for (const name of names) {
    const { code, stdout } = await world.spawn(['systemctl', 'is-enabled', name])
    // systemctl itself ends with 4 at most (systemctl(1), EXIT STATUS); a unit that is gone starts no more.
    if (stdout.trim() === 'enabled' || code > 4) left.push(name)
  }
  return left
}
