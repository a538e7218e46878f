// A private machine inside this one: its own mounts, network, processes and host name, made with unshare(1) and
// entered with nsenter(1). Everything in it ends with the process that holds its standard input.
import { existsSync, mkdtempSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string; readonly tookMs: number }

export type RunOptions = {
  readonly user?: string
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds until the command is killed; 60 000 unless told. */
  readonly limit?: number
}

export type Namespace = {
  /** Where the private tmpfs is mounted inside; `repository` and `bun` are found below it whatever hides /home. */
  readonly scratch: string
  readonly repository: string
  readonly bun: string
  /** A path inside, as this process can open it. */
  readonly outside: (path: string) => string
  readonly command: (argv: readonly string[], options?: RunOptions) => string[]
  readonly run: (command: string | readonly string[], options?: RunOptions) => Promise<Ran>
  readonly stop: () => Promise<void>
}

/** The kernel or the container does not allow namespaces; the message names the option that does. */
export class Refused extends Error {
  constructor(cause: string) {
    // unshare(1) makes every mount private first, and the root of a plain chroot is none.
    if (cause.includes('propagation')) {
      super(`the root of this system is no mount point (${cause}); mount --bind it onto itself before chroot`)
      this.name = 'Refused'
      return
    }
    super(
      [
        `this machine does not allow private namespaces (${cause})`,
        'run it as root; in a container, start that with',
        '  docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt apparmor=unconfined …',
        'or, when that is still refused, with  docker run --privileged …',
      ].join('\n'),
    )
    this.name = 'Refused'
  }
}

const repository = join(import.meta.dir, '..', '..')
const covered = ['/home', '/root', '/run', '/var/log', '/var/cache']

// The overlays are there because names have to appear in directories of the machine that lack them. Where overlayfs
// is refused (a container on overlayfs without a tmpfs upper, old kernels), copies do.
const setup = (scratch: string, bun: string) => `
set -e
mount -t tmpfs -o mode=0755,size=1g lab ${scratch}
cd ${scratch}
mkdir repository bin etc sbin sbin.work varlib varlib.work
mount --rbind '${repository}' repository
touch bin/bun && mount --bind '${bun}' bin/bun
cp -a /etc/. etc/ && mount --bind etc /etc
mount -t overlay lab -o lowerdir=/usr/sbin,upperdir=${scratch}/sbin,workdir=${scratch}/sbin.work /usr/sbin 2>/dev/null ||
  { cp -a /usr/sbin/. sbin/ && mount --bind sbin /usr/sbin; }
mount -t overlay lab -o lowerdir=/var/lib,upperdir=${scratch}/varlib,workdir=${scratch}/varlib.work /var/lib 2>/dev/null ||
  mount --bind varlib /var/lib
for directory in ${covered.join(' ')}; do
  mount -t tmpfs -o mode=0755 lab $directory
done
rm -rf /var/lib/open-bastion /var/lib/extrausers /var/lib/sudo /etc/open-bastion
mkdir -p /var/lib/extrausers /var/lib/sudo/lectured /run/sshd /run/lock /run/sudo
chmod 0700 /root /var/lib/sudo
echo lab > /proc/sys/kernel/hostname || :
echo ready
exec cat > /dev/null
`

/** Why no lab can be started here, or undefined when it can. */
export function refusal(): string | undefined {
  if (process.getuid?.() !== 0) return new Refused('not root').message
  const tried = Bun.spawnSync(['unshare', '--mount', '--net', '--pid', '--uts', '--fork', 'true'], { stderr: 'pipe' })
  return tried.success ? undefined : new Refused(tried.stderr.toString().trim()).message
}

export async function startNamespace(): Promise<Namespace> {
  if (process.getuid?.() !== 0) throw new Refused('not root')
  const scratch = mkdtempSync(join(tmpdir(), 'ob-lab-'))
  const flags = ['--mount', '--net', '--pid', '--uts', '--fork', '--mount-proc', '--kill-child']
  const script = setup(scratch, process.execPath)
  const holder = Bun.spawn(['unshare', ...flags, '--propagation', 'private', '--', 'sh', '-c', script], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
  const reader = holder.stdout.getReader()
  const first = await reader.read()
  if (first.done) {
    const cause = (await new Response(holder.stderr).text()).trim().split('\n').at(-1) ?? ''
    await holder.exited
    rmdirSync(scratch)
    throw new Refused(cause)
  }
  reader.releaseLock()
  return open(holder, scratch)
}

function open(holder: Bun.Subprocess<'pipe', 'pipe', 'pipe'>, scratch: string): Namespace {
  const at = `/proc/${holder.pid}`
  const enter = ['nsenter', `--mount=${at}/ns/mnt`, `--net=${at}/ns/net`, `--uts=${at}/ns/uts`]
  const command = (argv: readonly string[], options: RunOptions = {}) => {
    const user = options.user ?? 'root'
    // The primary group is not everybody's own: the C implementation's users are in "users".
    const script = 'exec setpriv --reuid="$0" --regid="$(id -g "$0")" --init-groups -- "$@"'
    const become = user === 'root' ? [] : ['sh', '-c', script, user]
    return [...enter, `--pid=${at}/ns/pid_for_children`, '--', ...become, ...argv]
  }
  const run = runBy(command)
  const tidy = () => {
    holder.kill('SIGKILL')
    if (existsSync(scratch)) rmdirSync(scratch)
  }
  // Whatever ends this process, the directory goes too; the processes inside end with its standard input anyway.
  process.once('exit', tidy)
  const stop = async () => {
    process.off('exit', tidy)
    holder.kill('SIGKILL')
    await holder.exited
    tidy()
  }
  const outside = (path: string) => `${at}/root${path}`
  return { scratch, repository: `${scratch}/repository`, bun: `${scratch}/bin/bun`, outside, command, run, stop }
}

export function environment(options: RunOptions): Record<string, string> {
  const user = options.user ?? 'root'
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: user === 'root' ? '/root' : `/home/${user}`,
    USER: user,
    LOGNAME: user,
    LANG: 'C.UTF-8',
    ...options.env,
  }
}

/** Whether sshd and PAM may run this file: it and every parent belong to root and nobody else may write them. */
export function isTrusted(path: string): boolean {
  const facts = statSync(path)
  const safe = facts.uid === 0 && (facts.mode & 0o022) === 0
  return safe && (path === '/' || isTrusted(dirname(path)))
}

/** Runs a program, or a line of shell, by the command that takes it inside; nothing goes on after its limit. */
export const runBy =
  (command: (argv: readonly string[], options?: RunOptions) => string[]) =>
  async (given: string | readonly string[], options: RunOptions = {}): Promise<Ran> => {
    const started = performance.now()
    const argv = typeof given === 'string' ? ['sh', '-c', given] : given
    const child = Bun.spawn(command(argv, options), {
      stdin: options.stdin === undefined ? 'ignore' : new Blob([options.stdin as string]),
      stdout: 'pipe',
      stderr: 'pipe',
      env: environment(options),
      timeout: options.limit ?? 60_000,
      killSignal: 'SIGKILL',
    })
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    return { code: await child.exited, stdout, stderr, tookMs: performance.now() - started }
  }
