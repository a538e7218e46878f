// A booted host inside this machine: systemd as process 1 over a copy of the machine's own root, with logind, dbus,
// sshd and the units of this project. Nothing of the machine's own is written, and a reboot keeps what was.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Namespace, type RunOptions, runBy } from './namespace.ts'

export type Booted = {
  /** Where commands run on the booted host. */
  readonly space: Namespace
  /** The same network, with this machine's own files: for the stand-in portal, which outlives a reboot. */
  readonly beside: Namespace
  readonly run: Namespace['run']
  readonly need: (command: string | readonly string[], options?: RunOptions) => Promise<string>
  readonly write: (path: string, content: string, mode?: number) => void
  readonly text: (path: string) => string
  /** Until this command ends well; until nothing is starting any more unless told. */
  readonly reboot: (until?: string) => Promise<void>
  /** Every process ends at once, as when somebody pulls the plug; what is on the disk stays. Then it boots again. */
  readonly cutPower: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** Why no host can be booted here. */
export class NotBooted extends Error {}

const systemd = '/usr/lib/systemd/systemd'
const path = '/usr/sbin:/usr/bin:/sbin:/bin'
const repository = join(import.meta.dir, '..', '..')
const wanted = ['unshare', 'nsenter', 'pivot_root', 'mount', 'ip', 'dbus-daemon']

// The upper directory of an overlay must not lie on the lower one, and /tmp may.
const prepare = `
set -e
mount -t tmpfs -o mode=0755,size=2g lab "$1"
cd "$1"
mkdir upper work root
mount -t overlay lab -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
: > root/etc/fstab
rm -f root/etc/ssh/ssh_host_* root/etc/ssh/sshd_config.d/* root/etc/nologin
rm -rf root/var/lib/open-bastion root/var/lib/extrausers root/etc/open-bastion root/var/cache/open-bastion
rm -rf root/var/log/journal root/var/log/open-bastion root/var/lib/systemd/timers
mkdir -p root/srv/repository root/var/lib/extrausers
tr -d - < /proc/sys/kernel/random/uuid > root/etc/machine-id
rm -f root/etc/systemd/system/multi-user.target.wants/* root/etc/systemd/system/timers.target.wants/*
cat > root/etc/systemd/system/lab.target <<'END'
[Unit]
Description=A host of its own
Requires=basic.target
After=basic.target
Wants=dbus.service systemd-logind.service systemd-user-sessions.service multi-user.target
After=multi-user.target
AllowIsolate=yes
END
`

const inside = `
set -e
root=$1/root
mount --bind $root $root
mount --rbind $2 $root/srv/repository
cd $root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 dev dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=0755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
for hidden in sys/kernel/debug sys/kernel/tracing; do [ ! -d $hidden ] || mount -t tmpfs -o ro hidden $hidden; done
hostname lab
mkdir -p .old
pivot_root . .old
exec chroot . sh -c "umount -l /.old; exec env -i container=lab PATH=${path} ${systemd} --system --unit=lab.target \\
  --log-target=journal --show-status=false"
`

const cgroups = (): string => {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
  const found = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')
  if (!found) throw new NotBooted('there is no cgroup2 file system')
  return found[1]!
}

function insist(argv: readonly string[]): void {
  const { success, stderr } = Bun.spawnSync([...argv], { stderr: 'pipe', env: { PATH: path } })
  if (!success) throw new NotBooted(`${argv[0]}: ${stderr.toString().trim().split('\n').at(-1) ?? 'failed'}`)
}

export async function boot(): Promise<Booted> {
  if (process.getuid?.() !== 0) throw new NotBooted('not root')
  const missing = [systemd, ...wanted.map((name) => Bun.which(name, { PATH: path }) ?? '')].findIndex(
    (file) => !existsSync(file),
  )
  if (missing >= 0) throw new NotBooted(`${[systemd, ...wanted][missing]} is not installed`)
  const folder = mkdtempSync(join(tmpdir(), 'ob-booted-'))
  const leaf = join(cgroups(), `ob-booted-${process.pid}-${folder.slice(-6)}`)
  const network = Bun.spawn(['unshare', '--net', 'sh', '-c', 'ip link set lo up && echo ready && exec cat'], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'ignore',
    env: { PATH: path },
  })
  const clean = (): void => {
    network.kill('SIGKILL')
    Bun.spawnSync(
      ['sh', '-c', `umount -R -l ${folder}/root; umount -l ${folder}; find ${leaf} -depth -type d -exec rmdir {} \\;`],
      { stderr: 'ignore' },
    )
    if (existsSync(folder)) rmdirSync(folder)
  }
  try {
    const ready = await network.stdout.getReader().read()
    if (ready.done) throw new NotBooted('this machine does not allow a network of its own')
    mkdirSync(leaf)
    insist(['sh', '-c', prepare, 'prepare', folder])
    return await open({ folder, leaf, net: network.pid }, clean)
  } catch (error) {
    clean()
    throw error instanceof NotBooted ? error : new NotBooted(String(error))
  }
}

/** Ends with another status while something is starting, or when something failed. */
const isUp = '[ "$(systemctl is-system-running)" != starting ] && systemctl is-active -q lab.target'

type Machine = { readonly pid: number; readonly outer: Bun.Subprocess }

type Place = { readonly folder: string; readonly leaf: string; readonly net: number }

async function start({ folder, leaf, net }: Place, ready = isUp): Promise<Machine> {
  // The guest's cgroups begin where this process is when it makes the namespace.
  const enter = `echo $$ > ${leaf}/cgroup.procs && exec nsenter --net=/proc/${net}/ns/net -- "$@"`
  const flags = [
    '--mount',
    '--uts',
    '--ipc',
    '--pid',
    '--cgroup',
    '--fork',
    '--kill-child=SIGKILL',
    '--propagation',
    'private',
  ]
  const outer = Bun.spawn(
    ['sh', '-c', enter, 'enter', 'unshare', ...flags, 'sh', '-c', inside, 'inside', folder, repository],
    {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
      env: { PATH: path },
    },
  )
  for (const until = Date.now() + 30_000; Date.now() < until; await Bun.sleep(20)) {
    if (outer.exitCode !== null) break
    const pid = childOf(outer.pid)
    if (pid === undefined) continue
    const { success } = Bun.spawnSync([...enterAll(pid), 'sh', '-c', ready], {
      stdout: 'ignore',
      stderr: 'ignore',
      env: { PATH: path },
    })
    if (success) return { pid, outer }
  }
  outer.kill('SIGKILL')
  const said = (await new Response(outer.stderr).text()).trim().split('\n').at(-1)
  throw new NotBooted(`systemd does not come up${said ? `: ${said}` : ''}`)
}

function childOf(pid: number): number | undefined {
  const file = `/proc/${pid}/task/${pid}/children`
  const child = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  return /^\d+$/.test(child) ? Number(child) : undefined
}

const enterAll = (pid: number): readonly string[] => [
  'nsenter',
  '-t',
  String(pid),
  '-m',
  '-u',
  '-i',
  '-n',
  '-p',
  '-C',
  '--',
]

async function open(place: Place, clean: () => void): Promise<Booted> {
  const { folder, net } = place
  let machine = await start(place)
  const halt = async (): Promise<void> => {
    // SIGRTMIN+4 asks systemd to power off.
    Bun.spawnSync(['kill', '-s', 'RTMIN+4', String(machine.pid)])
    const late = setTimeout(() => machine.outer.kill('SIGKILL'), 20_000)
    await machine.outer.exited
    clearTimeout(late)
  }
  const space: Namespace = {
    ...commands(() => enterAll(machine.pid)),
    scratch: '/run/lab',
    repository: '/srv/repository',
    bun: process.execPath,
    outside: (file) => `${folder}/root${file}`,
    stop: halt,
  }
  const scratch = mkdtempSync(join(tmpdir(), 'ob-beside-'))
  const beside: Namespace = {
    ...commands(() => ['nsenter', `--net=/proc/${net}/ns/net`, '--']),
    scratch,
    repository,
    bun: process.execPath,
    outside: (file) => file,
    stop: async () => undefined,
  }
  // /run, /tmp and /dev of the guest are not in the directory, but below its first process.
  const file = (name: string): string =>
    /^\/(run|tmp|dev)\//.test(name) ? `/proc/${machine.pid}/root${name}` : space.outside(name)
  return {
    space,
    beside,
    run: space.run,
    need: async (command, options) => {
      const ran = await space.run(command, options)
      if (ran.code !== 0) throw new Error(`${String(command)}\n${ran.stdout}${ran.stderr}`)
      return ran.stdout
    },
    write: (name, content, mode = 0o644) => {
      mkdirSync(dirname(file(name)), { recursive: true })
      writeFileSync(file(name), content, { mode })
    },
    text: (name) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : ''),
    reboot: async (ready) => {
      await halt()
      machine = await start(place, ready)
    },
    cutPower: async () => {
      machine.outer.kill('SIGKILL')
      await machine.outer.exited
      machine = await start(place)
    },
    stop: async () => {
      await halt()
      rmSync(scratch, { recursive: true })
      clean()
    },
  }
}

function commands(enter: () => readonly string[]): Pick<Namespace, 'command' | 'run'> {
  const command = (argv: readonly string[], options: RunOptions = {}): string[] => {
    const user = options.user ?? 'root'
    const become = user === 'root' ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--']
    return [...enter(), ...become, ...argv]
  }
  return { command, run: runBy(command) }
}
