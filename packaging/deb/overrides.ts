// What lintian says about the packages and why it stays (the file goes into the package, as Debian Policy wants it).

const archive = `# zstd unpacks a file of this size five times as fast as xz; dpkg of Debian 12 and later reads it.
$name: malformed-deb-archive *
`

export const overrides: Readonly<Record<string, string>> = {
  ob: `${archive.replaceAll('$name', 'ob')}# The executable is Bun's runtime with the program behind its last section. strip(1) would take the program away; the
# pinned runtime is built elsewhere, and is patched here, not linked.
ob: unstripped-binary-or-object [usr/sbin/ob]
ob: hardening-no-pie [usr/sbin/ob]
ob: hardening-no-relro [usr/sbin/ob]
ob: embedded-library * [usr/sbin/ob]
# The one program that can take a set-up back is this package's own, by the path that PAM and sshd know it by.
ob: command-with-path-in-maintainer-script /usr/sbin/ob *
# No debhelper made these scripts. They ask whether systemd runs before they call it.
ob: maintainer-script-calls-systemctl *
# debconf asks in another order than this one question, which comes when a person purges at a terminal.
ob: read-in-maintainer-script *
# One long list of paths that may not be broken.
ob: groff-message *
`,
  'ob-portal': `${archive.replaceAll('$name', 'ob-portal')}# No debhelper made these scripts. They ask whether systemd runs before they call it.
ob-portal: maintainer-script-calls-systemctl *
`,
}
