// A booted Debian as its own packages leave it, with the packages of this project beside it and nothing of ours installed:
// what an administrator has before the first command.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Enrollment, enrolling, type HostOfPortal, setRights } from './enrolled.ts'
import { startPortal, startRelay } from './lab.ts'
import type { Ran } from './namespace.ts'
import { type Booted, boot, NotBooted } from './systemd.ts'

export type Login = {
  readonly user: string
  readonly answer?: string
  readonly key?: string
  readonly command?: string
}

export type PackagedHost = HostOfPortal &
  Omit<Booted, 'write'> & {
    readonly ssh: (login: Login) => Promise<Ran>
    /** Every name below /etc with type, mode, owner and content. */
    readonly etc: () => Promise<ReadonlyMap<string, string>>
    /** The one command that sets this host up. */
    readonly setUpArgv: (mode: string) => readonly string[]
    readonly setUp: (mode: string, ...more: readonly string[]) => Promise<Enrollment>
    readonly install: (version?: string) => Promise<string>
    /** The switch of a set-up acts in a moment, and not in minutes. */
    readonly hurry: () => Promise<void>
    readonly state: () => Promise<string>
    readonly cutPortal: () => void
    readonly restorePortal: () => void
  }

const repository = join(import.meta.dir, '..', '..')
const clock = 100

/** Versions that the packages are built as: the second is an upgrade of the first. */
export const versions = { first: '0.1.0~lab1', second: '0.1.0~lab2' } as const

/** Why there is no such host here; undefined where there is one. */
export function lacking(): string | undefined {
  if (!existsSync(join(repository, 'dist/ob'))) return 'dist/ob is not built'
  for (const program of ['dpkg-deb', 'apt-get', 'sudo', 'sshd'])
    if (Bun.which(program, { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }) === null) return `${program} is not installed`
  return undefined
}

const askpass = `#!/bin/sh
cd "$OB_LAB_DIALOGUE" && exec cat 1
`

// People of the machine are nobody here, root has a key, and NSS is as libnss-systemd and libnss-extrausers leave it.
const bare = `set -e
  for name in $(awk -F: '$3 >= 1000 && $3 < 60000 || $1 == "ob-keys" { print $1 }' /etc/passwd /etc/group | sort -u); do
    sed -i "/^$name:/d" /etc/passwd /etc/shadow /etc/group /etc/gshadow
  done
  ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
  install -d -m 0700 /root/.ssh
  ssh-keygen -q -t ed25519 -N '' -C root -f /root/.ssh/id_root
  cp /root/.ssh/id_root.pub /root/.ssh/authorized_keys
  sed -i -E 's/^(passwd|group|shadow):.*/\\1: files systemd/; /^initgroups:/d' /etc/nsswitch.conf
  if ! ldconfig -p | grep -q libnss_systemd && [ -e /srv/repository/build/tools/nss ]; then
    cp -r /srv/repository/build/tools/nss /usr/local/lib/nss
    echo /usr/local/lib/nss > /etc/ld.so.conf.d/zz-lab.conf
    ldconfig -X
  fi
  systemctl enable ssh.service dpkg-db-backup.timer
  mkdir -p /run/sshd
  systemctl start ssh
  printf pamsecret > /root/client-secret`

function buildPackages(into: string, wanted: readonly string[]): void {
  for (const version of wanted) {
    const made = Bun.spawnSync(
      [
        process.execPath,
        join(repository, 'packaging/package.ts'),
        into,
        '--only',
        'deb',
        '--version',
        version,
        '--quick',
      ],
      { cwd: repository, stderr: 'pipe' },
    )
    if (made.exitCode !== 0) throw new Error(`the packages cannot be built: ${made.stderr.toString()}`)
  }
}

/** Boots it, with the package in these versions; ends with NotBooted where that cannot be. */
export async function bootPackaged(wanted: readonly string[] = [versions.first]): Promise<PackagedHost> {
  const reason = lacking()
  if (reason !== undefined) throw new NotBooted(reason)
  const host = await boot()
  try {
    return await furnish(host, wanted)
  } catch (error) {
    await host.stop()
    throw error
  }
}

async function furnish(host: Booted, wanted: readonly string[]): Promise<PackagedHost> {
  const built = mkdtempSync(join(tmpdir(), 'ob-packages-'))
  try {
    buildPackages(built, wanted)
    mkdirSync(host.space.outside('/root/packages'), { recursive: true })
    for (const name of readdirSync(built))
      if (name.endsWith('.deb')) copyFileSync(join(built, name), host.space.outside(`/root/packages/${name}`))
  } finally {
    rmSync(built, { recursive: true })
  }
  const portal = await startPortal(host.beside)
  const relay = await startRelay(host.beside)
  const control = async (verb: string, body: unknown = {}): Promise<unknown> =>
    ((await relay(`http://127.0.0.1:19444/control/${verb}`, body)) as { result: unknown }).result
  const hosts = (address: string): void =>
    host.write('/etc/hosts', `127.0.0.1 localhost lab\n${address} auth.example.test\n`)
  hosts('127.0.0.1')
  host.write('/etc/hostname', 'lab\n')
  host.write('/root/portal-ca.pem', readFileSync(portal.ca, 'utf8'))
  host.write('/usr/local/bin/askpass', askpass, 0o755)
  await host.need(bare)
  const lab: HostOfPortal = {
    space: host.space,
    portal: control,
    portalUrl: portal.url,
    portalCa: readFileSync(portal.ca, 'utf8'),
    write: host.write,
  }
  await setRights(lab)
  const options = [
    '--client-id',
    'pam-access',
    '--client-secret-file',
    '/root/client-secret',
    '--server-group',
    'truth',
  ]
  options.push('--portal', portal.url, '--ca-cert', '/root/portal-ca.pem')
  const setUpArgv = (mode: string) => ['ob', 'setup', '--mode', mode, '--yes', ...options]
  return {
    ...host,
    ...lab,
    setUpArgv,
    ssh: (login) => sshInto(host, login),
    etc: () => etcOf(host),
    setUp: (mode, ...more) => enrolling(lab, [...setUpArgv(mode), ...more]),
    install: (version = versions.first) => host.need(apt('install', `/root/packages/ob_${version}_amd64.deb`)),
    hurry: async () => {
      await host.need(hurry)
    },
    state: async () => JSON.parse(await host.need('ob setup status --json || :')).state,
    cutPortal: () => hosts('127.0.0.9'),
    restorePortal: () => hosts('127.0.0.1'),
    stop: async () => {
      portal.process.kill('SIGKILL')
      await host.stop()
    },
  }
}

// Recommended packages are there already, or cannot be fetched: this host has no network.
export const apt = (verb: string, what: string): string =>
  `DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends ${verb} ${what} 2>&1`

const hurry = `set -e
  epoch=$(($(date +%s) + 1))
  cd /etc/systemd/system
  sed -i -E "s/(revertAt.: )[0-9.]+/\\1$epoch/" /var/lib/open-bastion/setup/journal.json
  sed -i "s/--armed-for .*/--armed-for $epoch/" ob-setup-revert.service
  sed -i "s/^OnCalendar=.*/OnCalendar=$(date -u -d @$epoch '+%Y-%m-%d %H:%M:%S UTC')/" ob-setup-revert.timer
  systemctl daemon-reload
  systemctl restart ob-setup-revert.timer`

/** ssh into the booted host, on its own loopback. */
async function sshInto(host: Booted, { user, answer, key, command = 'echo SHELL-OK' }: Login): Promise<Ran> {
  const folder = `/run/lab/dialogue-${crypto.randomUUID()}`
  await host.need(`mkdir -p ${folder}`)
  if (answer !== undefined) host.write(`${folder}/1`, `${answer}\n`)
  const method = key === undefined ? 'keyboard-interactive' : 'publickey'
  const settings = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', `PreferredAuthentications=${method}`]
  settings.push('NumberOfPasswordPrompts=1', 'LogLevel=ERROR', 'ConnectionAttempts=5')
  settings.push(...(key === undefined ? ['PubkeyAuthentication=no'] : ['IdentitiesOnly=yes']))
  const argv = ['ssh', '-F', 'none', ...settings.flatMap((setting) => ['-o', setting])]
  if (key !== undefined) argv.push('-i', key)
  return host.run([...argv, `${user}@127.0.0.1`, command], {
    env: { SSH_ASKPASS: '/usr/local/bin/askpass', SSH_ASKPASS_REQUIRE: 'force', OB_LAB_DIALOGUE: folder },
  })
}

/** Times are left out: a file that is written with what it held is as before. /etc/hosts is the lab's own switch. */
async function etcOf(host: Booted): Promise<ReadonlyMap<string, string>> {
  const listed = await host.need(
    `cd /etc && find . -printf '%P\\t%y %m %u:%g %l\\n' | sort && find . -type f ! -path ./hosts -print0 | sort -z | xargs -0 sha256sum`,
  )
  const found = new Map<string, string>()
  for (const line of listed.split('\n').filter(Boolean)) {
    const sum = /^([0-9a-f]{64}) {2}\.\/(.*)$/.exec(line)
    const [name = '', facts = ''] = sum ? [sum[2], sum[1]] : line.split('\t')
    found.set(name, `${found.get(name) ?? ''}${facts} `)
  }
  return found
}

/** Names that differ between two listings, each with `+`, `-` or `~`. */
export function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names.flatMap((name) => {
    if (before.get(name) === after.get(name)) return []
    return [`${before.has(name) ? (after.has(name) ? '~' : '-') : '+'} ${name}`]
  })
}

/** Until it holds; named when it does not. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, seconds = 60): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await Bun.sleep(clock)) if (await holds()) return
  throw new Error(`after ${seconds} s not yet: ${what}`)
}
