// What the packages do on a host besides placing files, as lines of sh. Debian's maintainer scripts and the scriptlets of
// rpm are made of these: one says why it is called in $1, the other counts.

export type Steps = {
  /** After the files are there. `$upgrade` is not empty when another version was there before. */
  readonly configure: string
  /** Before the files go; a status other than 0 keeps them. */
  readonly beforeRemoval: string
  readonly afterRemoval?: string
  /** Debian alone has it: everything that the removal kept. */
  readonly purge?: string
}

// The agent that holds the key of an authority is a stock ssh-agent, and would forget it: it is left alone.
const restart = (units: string): string => `if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    # Services that stay take the new program; a login is a process of its own and needs nothing.
    for unit in ${units}; do
        if [ -n "$upgrade" ] && systemctl -q is-active "$unit"; then systemctl restart "$unit" || true; fi
    done
fi`

const stop = (units: string): string => `if [ -d /run/systemd/system ]; then
    systemctl disable --now ${units} 2>/dev/null || true
fi`

const user = (name: string, home: string): string => `if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers ${name === 'ob-keys' ? 'open-bastion' : name}.conf || true
fi
getent passwd ${name} >/dev/null ||
    useradd --system --no-create-home --home-dir ${home} --shell /usr/sbin/nologin ${name}`

export const hostSteps: Steps = {
  configure: `${user('ob-keys', '/')}
if command -v systemd-tmpfiles >/dev/null; then systemd-tmpfiles --create ob.conf || true; fi
mkdir -p /etc/open-bastion
${restart('ob-serve.service ob-portal.service')}
if [ -z "$upgrade" ]; then echo 'ob: next, as root: ob setup --help'; fi`,
  // Without the program every PAM line that names it refuses; sshd's own stack must be Debian's again before it goes. The
  // last search is the shell's own, for a program that does not run.
  beforeRemoval: `if ! /usr/sbin/ob uninstall --yes --keep-identity; then
    echo 'ob: not removed: without the program, what is named above would let nobody in, or everybody' >&2
    exit 1
fi
if grep -lsE '^[^#]*/usr/s?bin/ob( |$)' /etc/pam.d/* /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf >&2; then
    echo 'ob: not removed: these files still call /usr/sbin/ob' >&2
    exit 1
fi`,
  afterRemoval: 'if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi',
  // The registry says which uid is whose: without it a later user could be given the files of an earlier one. So it goes
  // only when a person at a terminal says so.
  purge: `# What this host was to its portal, and what was kept for when that is away.
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
fi`,
}

export const portalSteps: Steps = {
  configure: `${user('ob-portal', '/var/lib/ob-portal')}
${restart('ob-portal.service')}`,
  beforeRemoval: stop('ob-portal.service'),
}

const indented = (text: string): string => text.replace(/^(?=.)/gm, '    ')

/** Debian Policy, chapter 6: $1 says why, and $2 of `configure` is the version before. */
export const debianScripts = ({ configure, beforeRemoval, afterRemoval, purge }: Steps): Record<string, string> => ({
  postinst: `#!/bin/sh
set -e
if [ "$1" = configure ]; then
    upgrade=$2
${indented(configure)}
fi
`,
  prerm: `#!/bin/sh
set -e
if [ "$1" = remove ]; then
${indented(beforeRemoval)}
fi
`,
  ...((afterRemoval ?? purge) !== undefined && {
    postrm: `#!/bin/sh
set -e
${afterRemoval ?? ''}
${purge === undefined ? '' : `if [ "$1" = purge ]; then\n${indented(purge)}\nfi`}
`,
  }),
})

/** rpm's scriptlets: $1 is how many versions there will be. Nothing asks there, and a removal keeps what it made. */
export const rpmScriptlets = ({ configure, beforeRemoval, afterRemoval }: Steps): Record<string, string> => ({
  post: `upgrade=
if [ "$1" -gt 1 ]; then upgrade=yes; fi
${configure}`,
  preun: `if [ "$1" -eq 0 ]; then
${indented(beforeRemoval)}
fi`,
  ...(afterRemoval !== undefined && { postun: afterRemoval }),
})
