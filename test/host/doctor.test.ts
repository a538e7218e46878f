// What ob doctor says on real hosts: nothing on the sound ones, and on broken ones what is broken, and how it ends.
import { expect } from 'bun:test'
import { settleIn } from './enrolled.ts'
import type { Lab, Stack } from './lab.ts'
import { inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleIn(lab)
  await lab.need('ob heartbeat')
  await lab.need(`mkdir /run/saved && cp -a ${touched} /run/saved`)
})

/** What the states below change. */
const touched = '/etc/pam.d /etc/ssh /etc/open-bastion /etc/nsswitch.conf /etc/passwd /root/.ssh'
const restore = `set -e
  umount -q /var/lib/open-bastion /usr/lib/none || :
  cd /run/saved
  rm -rf /etc/pam.d /etc/ssh /etc/open-bastion /root/.ssh
  cp -a pam.d ssh open-bastion nsswitch.conf passwd /etc/ && cp -a .ssh /root/
  rm -rf /run/nscd /run/state`

type Said = { readonly check: string; readonly verdict: string; readonly proof: string; readonly lets?: string }

async function doctor(): Promise<{ readonly code: number; readonly findings: readonly Said[] }> {
  const { code, stdout, stderr } = await lab.run('ob doctor --json')
  if (!stdout.startsWith('{')) throw new Error(`ob doctor: ${stdout}${stderr}`)
  return { code, findings: JSON.parse(stdout).findings }
}

const worse = ({ verdict }: Said): boolean => ['open', 'shut', 'bad'].includes(verdict)
const say = ({ verdict, check, proof, lets }: Said): string => `${verdict} ${check}: ${proof}; ${lets ?? ''}`

for (const stack of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'k'] as const satisfies readonly Stack[])
  lab_test(`mode ${stack} as shipped is sound`, async () => {
    await lab.setStack(stack)
    const { code, findings } = await doctor()
    expect([findings.filter(worse).map(say), code]).toEqual([[], 0])
  })

const account = '^account +requisite .*/usr/sbin/ob$'
const session = '^session +requisite .*/usr/sbin/ob$'
const above = (type: string, line: string): string => `sed -i -E '0,/^${type}/s//${line}\\n${type}/' /etc/pam.d/sshd`
const sshdLine = (line: string): string => `echo '${line}' > /etc/ssh/sshd_config.d/00-a.conf`

type State = readonly [name: string, mode: Stack, change: string, exit: number, says: RegExp]

const states: readonly State[] = [
  [
    'Debian’s own file for sshd put back',
    'a',
    'printf "@include common-auth\\n@include common-account\\n@include common-session\\n" > /etc/pam.d/sshd',
    2,
    /^open pam: .*sshd never asks ob/,
  ],
  [
    'auth sufficient pam_permit above ob',
    'a',
    above('auth', 'auth sufficient pam_permit.so'),
    2,
    /^open pam: sshd, auth: everybody/,
  ],
  [
    '@include common-auth on top',
    'a',
    "sed -i '1i @include common-auth' /etc/pam.d/sshd",
    2,
    /^shut pam: sshd, auth: nobody gets in/,
  ],
  [
    'the account line missing',
    'c',
    `sed -i -E '\\|${account}|d' /etc/pam.d/sshd`,
    2,
    /^open pam: sshd, account: every portal user/,
  ],
  [
    'the session line missing',
    'c',
    `sed -i -E '\\|${session}|d' /etc/pam.d/sshd`,
    2,
    /^open pam: sshd, session: every portal user/,
  ],
  [
    'the account line skipped by a jump',
    'd',
    `sed -i -E 's|^account .*user = root$|account [default=1] pam_warn.so|' /etc/pam.d/sshd`,
    2,
    /^open pam: sshd, account/,
  ],
  [
    'the account line behind a sufficient one',
    'b',
    above('account', 'account sufficient pam_unix.so'),
    2,
    /^open pam: sshd, account/,
  ],
  [
    'the session line behind a sufficient one',
    'b',
    above('session', 'session sufficient pam_unix.so'),
    2,
    /^open pam: sshd, session/,
  ],
  [
    'uid >= 0 as the exemption',
    'a',
    "sed -i 's/quiet user = root/quiet uid >= 0/' /etc/pam.d/sshd",
    2,
    /^open pam: sshd, account: every portal user/,
  ],
  [
    'the account line of sudo missing',
    'c',
    `sed -i -E '\\|${account}|d' /etc/pam.d/sudo /etc/pam.d/sudo-i`,
    2,
    /^open pam: .*sudo never asks ob/,
  ],
  [
    'an include that is not there',
    'a',
    'echo "@include common-gone" >> /etc/pam.d/sshd',
    2,
    /^shut pam: .*includes a file/,
  ],
  [
    'a module that is not installed',
    'a',
    above('account', 'account required pam_sss.so'),
    2,
    /^shut pam: sshd, account: nobody/,
  ],
  [
    '00-a.conf with AuthenticationMethods any',
    'a',
    `${sshdLine('AuthenticationMethods any')}; echo PubkeyAuthentication yes >> /etc/ssh/sshd_config.d/00-a.conf`,
    2,
    /^open sshd: .*nobody approved it/,
  ],
  ['no Include line', 'c', "sed -i '/^Include/d' /etc/ssh/sshd_config", 2, /^open sshd: .*nobody approved it/],
  ['UsePAM no', 'a', sshdLine('UsePAM no'), 2, /^open sshd: .*PAM is never asked/],
  [
    'sshd not reloaded',
    'a',
    'sleep 0.01; touch /etc/ssh/sshd_config',
    1,
    /^bad sshd: .*changed after the running sshd/,
  ],
  ['sshd_config that sshd refuses', 'a', sshdLine('Nonsense yes'), 2, /^shut sshd: sshd -T/],
  ['key files 0600', 'c', 'chmod 600 /etc/open-bastion/authorized_keys.d/alice', 1, /^bad keys: .*cannot read .*alice/],
  ['/etc/open-bastion 0700', 'c', 'chmod 700 /etc/open-bastion', 2, /^shut keys: .*cannot enter \/etc\/open-bastion/],
  ['ob keys as nobody', 'c', sshdLine('AuthorizedKeysCommandUser nobody'), 1, /^bad sshd: .*authorizedkeyscommanduser/],
  ['PermitRootLogin no', 'a', sshdLine('PermitRootLogin no'), 1, /^bad sshd: root has no way in.*permitrootlogin no/],
  ['no key of root', 'a', 'rm /root/.ssh/authorized_keys', 1, /^bad sshd: root has no way in.*no key/],
  [
    'root’s key with a forced command',
    'a',
    'sed -i \'s/^/command="echo no" /\' /root/.ssh/authorized_keys',
    1,
    /^bad sshd: root has no way in.*forced/,
  ],
  ['AllowGroups', 'a', sshdLine('AllowGroups admins'), 1, /^bad sshd: .*allowgroups/],
  ['nscd', 'a', 'mkdir /run/nscd && touch /run/nscd/socket', 1, /^bad accounts: nscd/],
  [
    'extrausers before files',
    'a',
    "sed -i -E 's/files extrausers/extrausers files/' /etc/nsswitch.conf",
    1,
    /^bad accounts: .*asks extrausers before files/,
  ],
  ['a second name for uid 0', 'a', "echo 'toor:x:0:0::/root:/bin/sh' >> /etc/passwd", 2, /^open accounts: .*toor/],
  [
    'a full disk',
    'a',
    'mkdir /run/state; cp -a /var/lib/open-bastion/. /run/state; mount -t tmpfs -o size=64k,mode=0711 full /var/lib/open-bastion; cp -a /run/state/token /var/lib/open-bastion/; dd if=/dev/zero of=/var/lib/open-bastion/fill bs=4k 2>/dev/null; :',
    1,
    /^bad directories: .*no room left/,
  ],
  [
    'the portal’s authority counts for root',
    'e',
    "sed -i 's|TrustedUserCAKeys /dev/null|TrustedUserCAKeys /etc/ssh/open-bastion_ca.pub|' /etc/ssh/sshd_config.d/00-open-bastion.conf",
    2,
    /^open sshd: .*trustedusercakeys .* counts for root/,
  ],
  ['the revocation list gone', 'e', 'rm /etc/ssh/revoked_keys', 2, /^shut sshd: .*revokedkeys/],
  [
    'user_readenv',
    'a',
    'echo "session required pam_env.so user_readenv=1" >> /etc/pam.d/sshd',
    2,
    /^open pam: .*user_readenv/,
  ],
  ['no configuration', 'a', 'rm /etc/open-bastion/openbastion.conf', 2, /^shut configuration/],
]
for (const [name, mode, change, exit, says] of states)
  lab_test(`${name}: ${exit}`, async () => {
    await lab.setStack(mode)
    await lab.need('rm -rf /run/saved/pam.d /run/saved/ssh; cp -a /etc/pam.d /etc/ssh /run/saved/')
    try {
      await lab.need(change)
      const { code, findings } = await doctor()
      expect(findings.filter(worse).map(say).join('\n')).toMatch(new RegExp(says, 'm'))
      expect(code).toBe(exit)
      // The worst stands first.
      expect(findings[0] && worse(findings[0])).toBe(true)
    } finally {
      await lab.need(restore)
    }
  })

const leftovers = ['sudo.dpkg-old', 'sudo.dpkg-dist', 'sshd.bak', 'sshd~', 'sshd.orig', 'sshd.ucf-dist']
lab_test('what package managers and people leave beside a service is none', async () => {
  await lab.setStack('a')
  for (const name of leftovers) await lab.need(`echo 'account optional pam_exec.so /usr/sbin/ob' > /etc/pam.d/${name}`)
  const { code, findings } = await doctor()
  expect([findings.filter(worse).map(say), code]).toEqual([[], 0])
  await lab.need(restore)
})

type Trouble = readonly [name: string, prepare: () => Promise<unknown>, exit: number, says: RegExp]
const fault = (body: object) => () => lab.portal('fault', { kind: 'down', ...body })
const troubles: readonly Trouble[] = [
  ['the portal away', () => lab.cutNetwork('refused'), 1, /^bad portal: /],
  ['somebody else’s page', fault({ status: 404, path: '/pam/authorize', body: 'gone' }), 1, /^bad portal: /],
  [
    'a portal that refuses this host',
    fault({ status: 403, path: '/pam/authorize', body: { error: 'Server not enrolled.' } }),
    2,
    /^shut portal: /,
  ],
  [
    'a wrong server_group',
    fault({
      status: 403,
      path: '/pam/authorize',
      body: { error: "Server 'x' is not authorized for server_group 'truth'" },
    }),
    2,
    /^shut portal: .*server_group/,
  ],
  [
    'a certificate of somebody else',
    () =>
      lab.need(
        'ssh-keygen -q -t ed25519 -N "" -f /run/x; cp /etc/ssl/certs/ISRG_Root_X1.pem /etc/open-bastion/portal-ca.pem',
      ),
    2,
    /^shut portal: /,
  ],
  ['not enrolled', () => lab.need('mv /var/lib/open-bastion/token /run/token'), 2, /^shut token: .*not enrolled/],
]
for (const [name, prepare, exit, says] of troubles)
  lab_test(`${name}: one finding, and ${exit}`, async () => {
    await lab.setStack('a')
    try {
      await prepare()
      await lab.run('ob heartbeat --once')
      const { code, findings } = await doctor()
      const told = findings.filter(worse).map(say)
      expect([told.length, told[0], code]).toEqual([1, expect.stringMatching(says), exit])
    } finally {
      await lab.portal('fault', { kind: 'none' })
      await lab.restore()
      await lab.run('mv /run/token /var/lib/open-bastion/token')
      await lab.need(restore)
      await lab.run('rm -f /run/open-bastion/*-portal /run/open-bastion/heartbeat.json; ob heartbeat --once')
    }
  })
