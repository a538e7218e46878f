// The two packages, described once, for Debian, for rpm and as an archive: which file goes where. `ob` is for hosts;
// `ob-portal` adds the web service, which is the same executable with a unit and a user of its own, so that hosts carry no
// service they do not run. What their scripts do: steps.ts.
import { join } from 'node:path'
import { hostSteps, portalSteps, type Steps } from './steps.ts'

export type Entry = {
  /** Where it goes, without the first slash. */
  readonly to: string
  /** A file of the repository, or the text itself, or where a symbolic link leads. */
  readonly from?: string
  readonly text?: () => string | Promise<string>
  readonly link?: string
  readonly mode: number
  readonly gzip?: boolean
}

export type Package = {
  readonly name: string
  readonly summary: string
  /** Sentences, one a line. */
  readonly about: readonly string[]
  readonly depends: readonly string[]
  readonly recommends: readonly string[]
  /** Names as rpm knows them. */
  readonly rpmRequires: readonly string[]
  readonly architecture: 'native' | 'all'
  readonly files: readonly Entry[]
  /** Files that dpkg asks about when an administrator changed them. */
  readonly conffiles: readonly string[]
  readonly steps: Steps
}

const unit = (name: string): Entry => ({
  to: `usr/lib/systemd/system/${name}`,
  from: `packaging/systemd/${name}`,
  mode: 0o644,
})

const hostUnits = [
  ...['ob-heartbeat.service', 'ob-heartbeat.timer', 'ob-krl.service', 'ob-krl.timer'],
  ...['ob-monitor.service', 'ob-monitor.timer', 'ob-serve.service', 'ob-ca-agent.service'],
  'ob-preload.service',
]

/** For whom sets a host up by hand: the very files of this distribution, each of which says where it belongs. */
const samples = (folder: string, from: string, names: readonly string[]): readonly Entry[] =>
  names.map((name) => ({ to: `usr/share/ob/${folder}/${name}`, from: `${from}/${name}`, mode: 0o644 }))

const modes = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'k', 'ag', 'cg', 'eg'].map((mode) => `mode-${mode}`)

const stacks = [
  ...modes.flatMap((mode) => [`${mode}.sshd`, `${mode}.sudo`]),
  ...['mode-g.login', 'mode-g.su', 'open-bastion-switch'],
  ...['desktop.gdm-password', 'desktop.lightdm', 'desktop.login', 'desktop.unlock'],
]

const snippets = [...modes, 'mode-g-key', 'certificate-authority', 'functional'].map((name) => `${name}.conf`)

const tmpfiles = `#Type Path Mode User Group Age
d /run/open-bastion 0711 root root -
d /var/lib/open-bastion 0711 root root -
d /var/cache/open-bastion 0700 root root -
d /var/log/open-bastion 0750 root root -
`

const logrotate = `/var/log/open-bastion/audit.json {
    weekly
    rotate 52
    missingok
    notifempty
    compress
    delaycompress
    create 0640 root root
}
`

/** Messages name these, so they are on the host. */
const pages = ['README.md', ...[...new Bun.Glob('docs/*.md').scanSync(join(import.meta.dir, '..'))].sort()]

export const host: Package = {
  name: 'ob',
  summary: 'single sign-on for ssh and sudo, on stock OpenSSH, PAM and NSS',
  about: [
    'Lets the single sign-on of an organisation decide who may ssh and sudo on',
    'this host. One executable that pam_exec, sshd and systemd call; no C module,',
    'and no login needs a daemon.',
  ],
  depends: ['libc6 (>= 2.17)', 'libpam-modules'],
  recommends: ['openssh-server', 'sudo', 'libnss-extrausers', 'libnss-systemd', 'ca-certificates'],
  rpmRequires: ['glibc >= 2.17', 'pam', 'shadow-utils', 'logrotate'],
  architecture: 'native',
  files: [
    { to: 'usr/sbin/ob', from: 'dist/ob', mode: 0o755 },
    // Users run it too (ob proxy), and /usr/sbin is in nobody's path but root's.
    { to: 'usr/bin/ob', link: '../sbin/ob', mode: 0o777 },
    { to: 'usr/sbin/ob-shell', from: 'packaging/functional/ob-shell', mode: 0o755 },
    ...hostUnits.map(unit),
    { to: 'usr/lib/sysusers.d/open-bastion.conf', from: 'packaging/sysusers.d/open-bastion.conf', mode: 0o644 },
    { to: 'usr/lib/tmpfiles.d/ob.conf', text: () => tmpfiles, mode: 0o644 },
    { to: 'etc/logrotate.d/ob', text: () => logrotate, mode: 0o644 },
    { to: 'usr/share/man/man8/ob-shell.8.gz', link: 'ob.8.gz', mode: 0o777 },
    { to: 'usr/share/man/man8/ob.8.gz', from: 'packaging/man/ob.8', mode: 0o644, gzip: true },
    {
      to: 'usr/share/man/man5/openbastion.conf.5.gz',
      from: 'packaging/man/openbastion.conf.5',
      mode: 0o644,
      gzip: true,
    },
    { to: 'usr/share/ob/openbastion.conf.sample', from: 'packaging/openbastion.conf.sample', mode: 0o644 },
    ...samples('pam.d', 'pam.d', stacks),
    ...samples('ssh', 'packaging/ssh', snippets),
    ...samples('sudoers', 'packaging/sudoers', ['open-bastion', 'open-bastion-functional']),
    { to: 'usr/share/doc/ob/copyright', text: copyright, mode: 0o644 },
    { to: 'usr/share/doc/ob/CHANGELOG.md.gz', from: 'CHANGELOG.md', mode: 0o644, gzip: true },
    ...pages.map((from): Entry => ({ to: `usr/share/doc/ob/${from}`, from, mode: 0o644 })),
  ],
  conffiles: ['/etc/logrotate.d/ob'],
  steps: hostSteps,
}

const portalSysusers = `u ob-portal - "Open Bastion portal" /var/lib/ob-portal /usr/sbin/nologin
`

export const portal: Package = {
  name: 'ob-portal',
  summary: 'web login for ob with any OpenID provider',
  about: [
    'The web service on which people log in with a browser and read a code for',
    'the terminal (ob portal serve).',
  ],
  // The unit and the executable belong together.
  depends: ['ob (= $version)'],
  recommends: ['ca-certificates'],
  rpmRequires: ['ob = $version'],
  architecture: 'all',
  files: [
    unit('ob-portal.service'),
    { to: 'usr/lib/sysusers.d/ob-portal.conf', text: () => portalSysusers, mode: 0o644 },
    { to: 'usr/share/man/man5/portal.conf.5.gz', from: 'packaging/man/portal.conf.5', mode: 0o644, gzip: true },
    { to: 'usr/share/ob/portal.conf.sample', from: 'packaging/portal.conf.sample', mode: 0o644 },
    { to: 'usr/share/doc/ob-portal/copyright', text: copyright, mode: 0o644 },
  ],
  conffiles: [],
  steps: portalSteps,
}

function copyright(): string {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ob

Files: *
Copyright: 2026 the authors of ob
License: Apache-2.0
 On Debian systems the text of the licence is in /usr/share/common-licenses/Apache-2.0.
Comment:
 The executable holds the Bun runtime (MIT), which holds JavaScriptCore (LGPL-2+) and other parts, and the packages named in
 /usr/share/ob/sbom.json with their licences.
`
}
