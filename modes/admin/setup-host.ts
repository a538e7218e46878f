// What ob setup asks of the host around it: its files, the tests of the result, the identity, and sshd.
import { orElse } from '../../src/base/fault.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { loadConfig } from '../../src/config/load.ts'
import { judgePam } from '../../src/health/pam.ts'
import { judgeSshdHere, readSshd } from '../../src/health/sshd.ts'
import type { IdentityPlaces } from '../../src/setup/identity.ts'
import { textAt, type Undone, undo } from '../../src/setup/journal.ts'
import type { Journal, Target } from '../../src/setup/journal-format.ts'
import { type HostFacts, type Plan, plannedFiles, setupPaths } from '../../src/setup/plan-policy.ts'
import { localPeople, warningsOf } from '../../src/setup/preflight-policy.ts'
import { disarm } from '../../src/setup/switch.ts'
import { idleUnits, isSystemd, stopUnits, unitsOf } from '../../src/setup/units.ts'

/** Asks at the terminal; without one nobody agrees. */
export async function agrees(world: World, question: string): Promise<boolean> {
  if (!world.terminal) return false
  const answer = await world.hiddenInput(question, 16)
  return new TextDecoder().decode(answer).trim() === 'yes'
}

export async function factsOf(world: World): Promise<HostFacts> {
  const files = new Map<string, string>()
  for (const path of plannedFiles) {
    const text = textAt(world, path)
    if (text !== undefined) files.set(path, text)
  }
  const { stdout, stderr } = await world.spawn(['sshd', '-V'])
  const version = /OpenSSH_(\d+)\.(\d+)/.exec(`${stdout}${stderr}`)
  const asked = ['/etc/ssh/open-bastion_ca.pub', '/etc/ssh/revoked_keys']
  return {
    files,
    openssh: [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)],
    existing: new Set(asked.filter((path) => world.files.stat(path) !== undefined)),
  }
}

/** Gives the host its identity where it has none yet; undefined when it has one in the end. */
export async function enrolled(world: World, json: boolean): Promise<string | undefined> {
  const config = loadConfig(world.files)
  if (!config.portal_url || world.files.stat(config.server_token_file)) return undefined
  const argv = ['/proc/self/exe', 'enroll', ...(json ? ['--json'] : [])]
  const { code } = await world.spawn(argv, { terminal: true })
  return code === 0 ? undefined : 'this host got no identity at the portal (above)'
}

/** The account without rights under which sshd runs `ob keys`; the package makes it, a copied program does not. */
export async function makeKeysAccount(world: World): Promise<void> {
  if ((await world.spawn(['getent', 'passwd', 'ob-keys'])).code === 0) return
  await world.spawn([
    'useradd',
    '--system',
    '--no-create-home',
    '--home-dir',
    '/',
    '--shell',
    '/usr/sbin/nologin',
    'ob-keys',
  ])
}

/** What sshd, sudo and the models of ob doctor say about the new files; undefined when they take them. */
export async function testResult(world: World): Promise<string | undefined> {
  const sshd = await world.spawn(['sshd', '-t'])
  if (sshd.code !== 0) return `sshd refuses its configuration: ${sshd.stderr.trim()}`
  const visudo = await world.spawn(['visudo', '-c', '-q'])
  if (visudo.code !== 0) return `sudo refuses its configuration: ${visudo.stderr.trim() || visudo.stdout.trim()}`
  const config = loadConfig(world.files)
  const answer = await readSshd(world, undefined)
  const findings = [...judgePam(world, config, answer), ...(await judgeSshdHere(world, answer))]
  const worst = findings.find(({ verdict }) => verdict === 'open' || verdict === 'shut')
  if (!worst) return undefined
  const remedy = worst.remedy === undefined ? '' : `\n  → ${worst.remedy}`
  return `${worst.message}${worst.lets === undefined ? '' : `, so ${worst.lets}`}${remedy}`
}

/** `gone`: it ran, was told to read its files, and does not listen any more. */
export type Reloaded = 'took' | 'untold' | 'gone'

/** sshd reads its files and listens again, or it is said that it does not. */
export async function reloadSshd(world: World): Promise<Reloaded> {
  const hasUnits = isSystemd(world)
  const unit = hasUnits ? await activeUnit(world) : undefined
  // While a host boots, a reload would wait for a start that waits for us.
  if (hasUnits && unit === undefined) return 'untold'
  const pid = textAt(world, '/run/sshd.pid')?.trim()
  const isKnown = pid !== undefined && /^[1-9][0-9]*$/.test(pid)
  if (!isKnown && unit === undefined) return 'untold'
  // SIGHUP ends an sshd that is still starting, and one that starts anew refuses connections; it names itself a
  // listener when it is ready. So this waits before and after.
  const isReady = async () => (await world.spawn(['grep', '-qa', 'listener', `/proc/${pid}/cmdline`])).code === 0
  const untilReady = async (): Promise<boolean> => {
    for (let tries = 0; isKnown && tries < 30; tries++) {
      if (await isReady()) return true
      await world.sleep(0.1)
    }
    return false
  }
  const ran = await untilReady()
  const { code } = await world.spawn(unit === undefined ? ['kill', '-HUP', pid!] : ['systemctl', 'reload', unit])
  await world.sleep(0.3)
  if (!(await untilReady()) && ran) return 'gone'
  return code === 0 ? 'took' : 'untold'
}

/** For an sshd that did not come back; true when it listens again. */
export async function startSshd(world: World): Promise<boolean> {
  const { code } = await world.spawn(isSystemd(world) ? ['systemctl', 'restart', 'ssh'] : ['/usr/sbin/sshd'])
  return code === 0
}

/** True when sshd listens with the files of before, whatever it takes. */
export const reloadOrStart = async (world: World): Promise<boolean> => {
  const reloaded = await reloadSshd(world)
  return reloaded === 'gone' ? startSshd(world) : reloaded === 'took'
}

/** Where an identity lies, also while there is no configuration. */
export const placesOf = (world: World): IdentityPlaces =>
  orElse<IdentityPlaces, IdentityPlaces>(
    () => loadConfig(world.files),
    () => ({ server_token_file: `${paths.state}/token`, offline_cache_dir: '/var/cache/open-bastion' }),
  )

/** Debian says ssh, others say sshd. */
async function activeUnit(world: World): Promise<string | undefined> {
  for (const name of ['ssh.service', 'sshd.service'])
    if ((await world.spawn(['systemctl', 'is-active', '--quiet', name])).code === 0) return name
  return undefined
}

/** Units of this plan that do not start with the host yet. */
export function unitsToStart(world: World, plan: Plan, mode: string): Promise<readonly string[]> {
  const edited = plan.edits.find(({ path }) => path === setupPaths.nsswitch)?.after
  return idleUnits(world, unitsOf(mode, edited ?? textAt(world, setupPaths.nsswitch) ?? ''))
}

/** Everything as before; the journal says so last, so that who is interrupted here can go on. */
export async function takeBack(world: World, journal: Journal, target: Target): Promise<Undone> {
  const isWhole = target === 'origin' || journal.earlierMode === undefined
  const left = isWhole ? await stopUnits(world, journal.units) : []
  const undone = undo(world, journal, target, left)
  // At the next boot the switch ends them.
  if (left.length === 0) await disarm(world)
  return undone
}

const libraries = ['/lib', '/usr/lib', '/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu']
const places = [...libraries, '/lib/aarch64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/lib64', '/usr/lib64']

/** What is said before anybody agrees. */
export function preflight(world: World, mode: string): readonly string[] {
  const isThere = (path: string): boolean => world.files.stat(path) !== undefined
  const people = localPeople({
    passwd: textAt(world, '/etc/passwd') ?? '',
    shadow: textAt(world, '/etc/shadow') ?? '',
    hasKeys: (home) => (world.files.stat(`${home}/.ssh/authorized_keys`)?.size ?? 0) > 0,
  })
  return warningsOf({
    mode,
    people,
    // A link or bytes are the administrator's business: doctor judges root's way with what sshd says.
    rootKeys: orElse(
      () => textAt(world, '/root/.ssh/authorized_keys') ?? '',
      () => 'unknown',
    ),
    hasNscd: isThere('/run/nscd/socket') || isThere('/var/run/nscd/socket'),
    hasExtrausers: places.some((folder) => isThere(`${folder}/libnss_extrausers.so.2`)),
  })
}
