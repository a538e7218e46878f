// The two packages, described once: which file goes where, and what their scripts do. `ob` is for hosts; `ob-portal` adds the
// web service, which is the same executable with a unit and a user of its own, so that hosts carry no service they do not run.

export type Entry = {
  /** Where it goes, without the first slash. */
  readonly to: string
  /** A file of the repository, or the text itself. */
  readonly from?: string
  readonly text?: () => string | Promise<string>
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
  readonly architecture: 'native' | 'all'
  readonly files: readonly Entry[]
  /** Files that dpkg asks about when an administrator changed them. */
  readonly conffiles: readonly string[]
  readonly scripts: Readonly<Partial<Record<'postinst' | 'prerm' | 'postrm', string>>>
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

const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if command -v systemd-sysusers >/dev/null; then systemd-sysusers open-bastion.conf || true; fi
    getent passwd ob-keys >/dev/null || useradd --system --no-create-home --home-dir / --shell /usr/sbin/nologin ob-keys
    if command -v systemd-tmpfiles >/dev/null; then systemd-tmpfiles --create ob.conf || true; fi
    install -d -m 0755 /etc/open-bastion
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        # An upgrade: services that stay take the new program; a login is a process of its own and needs nothing. The agent
        # that holds the key of an authority is a stock ssh-agent, and would forget it.
        if [ -n "$2" ]; then
            for unit in ob-serve.service ob-portal.service; do
                if systemctl -q is-active "$unit"; then systemctl restart "$unit" || true; fi
            done
        fi
    fi
    if [ -z "$2" ]; then echo 'ob: next, as root: ob setup --help'; fi
fi
`

// Without the program every PAM line that names it refuses; sshd's own stack must be Debian's again before it goes. The
// last search is the shell's own, for a program that does not run.
const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ]; then
    if ! /usr/sbin/ob uninstall --yes --keep-identity; then
        echo 'ob: not removed: without the program, what is named above would let nobody in, or everybody' >&2
        exit 1
    fi
    if grep -lsE '^[^#]*/usr/s?bin/ob( |$)' /etc/pam.d/* /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf >&2; then
        echo 'ob: not removed: these files still call /usr/sbin/ob' >&2
        exit 1
    fi
fi
`

// The registry says which uid is whose: without it a later user could be given the files of an earlier one. So it goes
// only when a person at a terminal says so.
const postrm = `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
if [ "$1" = purge ]; then
    # What this host was to its portal, and what was kept for when that is away.
    rm -rf /var/cache/open-bastion /run/open-bastion
    rm -rf /var/lib/open-bastion/token /var/lib/open-bastion/secrets /etc/open-bastion/cache.key
    answer=
    if [ -e /var/lib/open-bastion/users.json ] && [ -t 0 ] && [ "\${DEBIAN_FRONTEND:-}" != noninteractive ]; then
        echo 'ob: /var/lib/open-bastion/users.json says which uid was whose. Without it a later user can be given the files'
        echo 'of an earlier one. Remove it, the configuration and the audit log, too?'
        printf 'Type yes: '
        read -r answer || answer=
    fi
    if [ -e /var/lib/open-bastion/users.json ] && [ "$answer" != yes ]; then
        echo 'ob: kept: /var/lib/open-bastion (who has which uid), /etc/open-bastion, /var/log/open-bastion'
    else
        rm -rf /var/lib/open-bastion /etc/open-bastion /var/log/open-bastion
    fi
fi
`

export const host: Package = {
  name: 'ob',
  summary: 'single sign-on for ssh and sudo, on stock OpenSSH, PAM and NSS',
  about: [
    'Lets the single sign-on of an organisation decide who may ssh and sudo on this host.',
    'One executable that pam_exec, sshd and systemd call; no C module, no daemon in the login path.',
  ],
  depends: ['libc6 (>= 2.17)', 'libpam-modules'],
  recommends: ['openssh-server', 'sudo', 'libnss-extrausers', 'libnss-systemd', 'ca-certificates'],
  architecture: 'native',
  files: [
    { to: 'usr/sbin/ob', from: 'dist/ob', mode: 0o755 },
    { to: 'usr/sbin/ob-shell', from: 'packaging/functional/ob-shell', mode: 0o755 },
    ...hostUnits.map(unit),
    { to: 'usr/lib/sysusers.d/open-bastion.conf', from: 'packaging/sysusers.d/open-bastion.conf', mode: 0o644 },
    { to: 'usr/lib/tmpfiles.d/ob.conf', text: () => tmpfiles, mode: 0o644 },
    { to: 'etc/logrotate.d/ob', text: () => logrotate, mode: 0o644 },
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
    { to: 'usr/share/doc/ob/changelog.gz', from: 'CHANGELOG.md', mode: 0o644, gzip: true },
  ],
  conffiles: ['/etc/logrotate.d/ob'],
  scripts: { postinst, prerm, postrm },
}

const portalSysusers = `u ob-portal - "Open Bastion portal" /var/lib/ob-portal /usr/sbin/nologin
`

const portalPostinst = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if command -v systemd-sysusers >/dev/null; then systemd-sysusers ob-portal.conf || true; fi
    getent passwd ob-portal >/dev/null ||
        useradd --system --no-create-home --home-dir /var/lib/ob-portal --shell /usr/sbin/nologin ob-portal
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        if [ -n "$2" ] && systemctl -q is-active ob-portal.service; then systemctl restart ob-portal.service || true; fi
    fi
fi
`

const portalPrerm = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now ob-portal.service 2>/dev/null || true; fi
`

export const portal: Package = {
  name: 'ob-portal',
  summary: 'web login for ob with any OpenID provider',
  about: ['The web service on which people log in with a browser and read a code for the terminal (ob portal serve).'],
  // The unit and the executable belong together.
  depends: ['ob (= $version)'],
  recommends: ['ca-certificates'],
  architecture: 'all',
  files: [
    unit('ob-portal.service'),
    { to: 'usr/lib/sysusers.d/ob-portal.conf', text: () => portalSysusers, mode: 0o644 },
    { to: 'usr/share/man/man5/portal.conf.5.gz', from: 'packaging/man/portal.conf.5', mode: 0o644, gzip: true },
    { to: 'usr/share/ob/portal.conf.sample', from: 'packaging/portal.conf.sample', mode: 0o644 },
    { to: 'usr/share/doc/ob-portal/copyright', text: copyright, mode: 0o644 },
    { to: 'usr/share/doc/ob-portal/changelog.gz', from: 'CHANGELOG.md', mode: 0o644, gzip: true },
  ],
  conffiles: [],
  scripts: { postinst: portalPostinst, prerm: portalPrerm },
}

function copyright(): string {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ob

Files: *
Copyright: the authors of ob
License: Apache-2.0
 On Debian systems the text of the licence is in /usr/share/common-licenses/Apache-2.0.
Comment:
 The executable holds the Bun runtime (MIT), which holds JavaScriptCore (LGPL-2+) and other parts, and the packages named in
 /usr/share/ob/sbom.json with their licences.
`
}
