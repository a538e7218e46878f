// Keys on a real sshd and sudo: service accounts, every source of authorized keys, what may not be injected, and
// certificates with their revocation list.
import { expect } from 'bun:test'
import { mintToken, settleIn } from './enrolled.ts'
import { type Lab, localAdmin, type SshOptions, type Stack } from './lab.ts'
import { inLab, listenToSyslog, syslog } from './suite.ts'

let lab: Lab

const accounts = `
  cd /root/keys
  new() { ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$1"; }
  for name in ansible courier deploy other exported chained small nameless; do new $name; done
  ob service-account add ansible --key /root/keys/ansible.pub --sudo --nopasswd
  ob service-account add courier --key /root/keys/courier.pub
  ob service-account add deploy --key /root/keys/deploy.pub --sudo --uid 34567
  install -m 0644 other.pub /etc/open-bastion/authorized_keys.d/courier
  ssh-keygen -q -s /root/authority -I nameless -V +1h nameless.pub`

const lab_test = inLab({ stack: 'd' }, async (started) => {
  lab = started
  await settleIn(lab)
  await lab.need(`set -e${accounts}`)
})

let stackNow: Stack | undefined = 'd'
async function use(stack: Stack): Promise<void> {
  if (stackNow !== stack) await lab.setStack(stack)
  stackNow = stack
}

type Seen = { readonly verdict: 'in' | 'out'; readonly reasons: string; readonly asked: string }

async function login(asked: SshOptions): Promise<Seen> {
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
  lab.audit()
  await lab.portal('forgetRequests')
  const { entered, stderr } = await lab.ssh(asked)
  const reasons = lab
    .audit()
    .map(({ reason }) => reason)
    .join(' ')
  const log = (await lab.portal('requests')) as readonly { readonly path: string }[]
  const paths = log.map(({ path }) => path.slice('/pam/'.length)).join(' ')
  if (process.env['LAB_TALK']) console.error(asked.user, entered, reasons, stderr)
  return { verdict: entered ? 'in' : 'out', reasons, asked: paths }
}

const key = (name: string) => ({ key: `/root/keys/${name}` })

// biome-ignore format: a table
const logins: readonly (readonly [string, string, string, 'the portal is there' | 'the portal is away', string])[] = [
  ['cd', 'ansible', 'ansible', 'the portal is there', 'in service-account-allowed service-account-opened'],
  ['cd', 'ansible', 'ansible', 'the portal is away',  'in service-account-allowed service-account-opened'],
  ['cd', 'courier',  'courier',  'the portal is there', 'in service-account-allowed service-account-opened'],
  ['cd', 'deploy',  'deploy',  'the portal is away',  'in service-account-allowed service-account-opened'],
  // Somebody listed another key for it: sshd takes that, the session phase does not.
  ['cd', 'courier',  'other',   'the portal is there', 'out service-account-allowed service-account-other-key'],
  ['cd', 'ansible', 'courier',  'the portal is there', 'out '],
  ['cd', 'ansible', 'stranger', 'the portal is there', 'out '],
  ['abe', 'ansible', 'ansible', 'the portal is there', 'out '],
]

for (const [stacks, user, name, when, expected] of logins)
  for (const stack of stacks.split('') as Stack[])
    lab_test(`stack ${stack}: service account ${user} with the key ${name}, ${when}: ${expected}`, async () => {
      await use(stack)
      if (when === 'the portal is away') await lab.cutNetwork('refused')
      try {
        const { verdict, reasons, asked } = await login({ user, ...key(name) })
        expect(`${verdict} ${reasons}`).toBe(expected)
        expect(asked).toBe('')
      } finally {
        await lab.restore()
      }
    })

for (const stack of ['a', 'b', 'd'] as const)
  lab_test(`stack ${stack}: nothing that is typed lets a service account in`, async () => {
    await use(stack)
    const typed = await login({ user: 'ansible', answers: [await mintToken(lab, 'alice')] })
    expect(typed).toEqual({ verdict: 'out', reasons: 'service-account-key-only', asked: '' })
  })

lab_test('a service account that has a Unix password is refused when the session begins', async () => {
  await use('d')
  await lab.need(`ob service-account add ${localAdmin.name} --key /root/keys/small.pub`)
  try {
    const typed = await login({ user: localAdmin.name, answers: [localAdmin.password] })
    expect(typed).toEqual({
      verdict: 'out',
      reasons: 'service-account-allowed service-account-key-only',
      asked: '',
    })
    const proven = await login({ user: localAdmin.name, ...key('small') })
    expect(proven.verdict).toBe('in')
  } finally {
    await lab.need(`ob service-account remove ${localAdmin.name}`)
  }
})

lab_test('an account whose section has an error is refused, and the portal is not asked about it', async () => {
  await use('d')
  const path = '/etc/open-bastion/service-accounts.conf'
  const before = lab.text(path)
  lab.write(path, before.replace('[courier]', '[courier]\nsudo_alowed = true'), 0o600)
  try {
    const seen = await login({ user: 'courier', ...key('courier') })
    expect(seen).toEqual({ verdict: 'out', reasons: 'service-account-broken', asked: '' })
    expect((await lab.run('ob service-account check')).stdout).toContain('unknown key')
    // The others go on.
    expect((await login({ user: 'ansible', ...key('ansible') })).verdict).toBe('in')
  } finally {
    lab.write(path, before, 0o600)
  }
})

lab_test('service accounts are accounts: uid, home, groups; and nobody is left of one that is removed', async () => {
  expect(await lab.need('id -u deploy; id -gn deploy; stat -c %U ~deploy')).toBe('34567\ndeploy\ndeploy\n')
  expect((await lab.need('id -Gn ansible')).split(/\s+/)).toContain('open-bastion-nopasswd')
  expect(await lab.need('id -Gn courier')).toBe('courier\n')
  await lab.need(
    'cd /root/keys && ob service-account add shortlived --key small.pub && ob service-account remove shortlived',
  )
  expect((await lab.run('getent passwd shortlived')).code).not.toBe(0)
  expect(lab.text('/etc/open-bastion/service-accounts.conf')).not.toContain('shortlived')
})

// biome-ignore format: a table
const sudos: readonly (readonly [string, string, 'root' | 'refused', string])[] = [
  ['abcde', 'ansible', 'root',    'service-account-sudo'],
  // sudo itself refuses: with -n it asks nobody for a password, and its sudoers line wants one.
  ['abcde', 'deploy',  'refused', ''],
  // A NOPASSWD line of the administrator's own would let it; what refuses it is service-accounts.conf.
  ['abcde', 'courier', 'refused', 'service-account-no-sudo'],
]
for (const [stacks, user, verdict, reasons] of sudos)
  for (const stack of stacks.split('') as Stack[])
    lab_test(`stack ${stack}: sudo -n by ${user}: ${verdict}`, async () => {
      await use(stack)
      await lab.cutNetwork('refused')
      lab.write('/etc/sudoers.d/lab-courier', 'courier ALL=(ALL:ALL) NOPASSWD: ALL\n', 0o440)
      try {
        for (const options of [['-n'], ['-n', '-i']]) {
          lab.audit()
          const { code, output } = await lab.sudo(user, [...options, 'id', '-un'])
          expect(code === 0 && /^root$/m.test(output) ? 'root' : 'refused').toBe(verdict)
          const heard = lab.audit().map(({ reason }) => reason)
          expect(heard.join(' ')).toBe(reasons)
        }
      } finally {
        await lab.restore()
      }
    })

lab_test('sudo that asks a service account for a password gets none and is refused', async () => {
  await use('a')
  lab.audit()
  const { code } = await lab.sudo('deploy', ['id', '-un'], ['anything'])
  expect(code).not.toBe(0)
  expect(lab.audit()[0]?.reason).toBe('service-account-key-only')
})

// --- what ob keys prints, to the user that sshd runs it as ---------------------------------------------------------

const asKeyUser = async (words: string): Promise<string> => {
  const ran = await lab.run(`setpriv --reuid ob-keys --regid ob-keys --clear-groups /usr/sbin/ob ${words}`)
  expect([ran.code, ran.stderr]).toEqual([0, ''])
  return ran.stdout
}

lab_test('nobody else who runs as that account can trace ob keys', async () => {
  // A command that waits, so that ob keys can be looked at.
  lab.write('/etc/open-bastion/authorized_keys_chain', '/usr/bin/sleep 30\n')
  const key = lab.text('/root/keys/alice-listed.pub').split(' ')
  const running = lab.run(
    `setpriv --reuid ob-keys --regid ob-keys --clear-groups /usr/sbin/ob keys alice ${key[0]} ${key[1]}`,
  )
  // The kernel gives the files of a process that is not dumpable to root.
  const owner = await lab.need(`set -e
    while ! pid=$(pgrep -u ob-keys -x ob); do sleep 0.02; done
    while ! pgrep -u ob-keys -x sleep >/dev/null; do sleep 0.02; done
    stat -c %U /proc/$pid/mem /proc/$(pgrep -u ob-keys -x sleep)/mem
    pkill -u ob-keys -x sleep`)
  expect(owner.trim().split('\n')).toEqual(['root', 'ob-keys'])
  await running
  await lab.need('rm /etc/open-bastion/authorized_keys_chain')
})

const publicKey = (name: string): string => lab.text(`/root/keys/${name}.pub`).trim().split(' ').slice(0, 2).join(' ')

lab_test('keys that the portal exports count, and stop to count when it exports them no more', async () => {
  await use('c')
  const exporting = async (value: string | null) => {
    await lab.portal('setUser', { user: 'alice', attributes: { ssh_public_keys: value } })
    // Any login learns it.
    expect((await login({ user: 'alice', ...key('alice-listed') })).verdict).toBe('in')
  }
  await exporting(`${publicKey('exported')} of alice\n`)
  expect(lab.text('/var/lib/open-bastion/keys/alice')).toMatch(/^# keys of alice as the portal exported them at \d{4}-/)
  expect((await login({ user: 'alice', ...key('exported') })).verdict).toBe('in')
  await exporting(null)
  expect(await login({ user: 'alice', ...key('exported') })).toMatchObject({ verdict: 'out', reasons: '' })
})

lab_test('nothing that the portal exports becomes an option, a second line or a certificate authority', async () => {
  await use('c')
  const exported = publicKey('exported')
  const tricks = [
    `command="touch /tmp/owned" ${exported}`,
    `cert-authority ${exported}`,
    `environment="LD_PRELOAD=/tmp/x" ${exported}`,
    `${exported} comment"\rcommand="x" ${exported}`,
    `${exported}\\ncommand="x"`,
    `principals="alice" cert-authority ${exported}`,
  ]
  await lab.portal('setUser', { user: 'alice', attributes: { ssh_public_keys: [...tricks, exported].join('\n') } })
  await login({ user: 'alice', ...key('alice-listed') })
  await lab.portal('setUser', { user: 'alice', attributes: { ssh_public_keys: null } })
  const printed = (await asKeyUser('keys alice')).trim().split('\n').sort()
  await lab.need('rm /var/lib/open-bastion/keys/alice')
  expect(printed).toEqual([publicKey('alice-listed'), exported].sort())
})

lab_test('names that are no names print nothing', async () => {
  for (const name of [
    "'../alice'",
    "'alice/../bob'",
    "'alice\nbob'",
    "''",
    "'-x'",
    '"$(printf alice\\\\000)x/"',
    "'*'",
  ])
    expect(await asKeyUser(`keys ${name}`)).toBe('')
})

lab_test('an authority that root names for a user lets that user’s certificate in, and nobody else’s', async () => {
  await use('c')
  const path = '/etc/open-bastion/authorized_keys.d/alice'
  const before = lab.text(path)
  lab.write(path, `cert-authority,principals="alice" ${lab.text('/root/authority.pub')}`)
  try {
    const own = await login({ user: 'alice', ...key('alice-certified') })
    expect([own.verdict, own.reasons]).toEqual(['in', 'portal-allowed key-accepted'])
    for (const name of ['bob-certified', 'nameless', 'foreign'])
      expect([name, await login({ user: 'alice', ...key(name) })]).toEqual([
        name,
        { verdict: 'out', reasons: '', asked: '' },
      ])
  } finally {
    lab.write(path, before)
  }
})

const chain = '/etc/open-bastion/authorized_keys_chain'
const other = '/etc/open-bastion/other-keys'

async function withChain<T>(script: string, work: () => Promise<T>): Promise<T> {
  lab.write(other, `#!/bin/sh\n${script}\n`)
  await lab.need(`chmod 0755 ${other}`)
  lab.write(chain, `# the command that was here before\n${other} %u\n`)
  try {
    return await work()
  } finally {
    await lab.need(`rm -f ${chain} ${other}`)
  }
}

lab_test('each source counts also when it is the only one there', async () => {
  const line = publicKey('exported')
  const exported = '/var/lib/open-bastion/keys'
  await lab.need(`install -d -m 0755 ${exported} /etc/open-bastion/service-accounts.d`)
  for (const path of [
    '/etc/open-bastion/service-accounts.d/solo.pub',
    '/etc/open-bastion/authorized_keys.d/solo',
    `${exported}/solo`,
  ]) {
    expect(await asKeyUser('keys solo')).toBe('')
    lab.write(path, `${line}\n`)
    expect([path, await asKeyUser('keys solo')]).toEqual([path, `${line}\n`])
    await lab.need(`rm ${path}`)
  }
  await withChain(`echo '${line}'`, async () => {
    expect(await asKeyUser('keys solo')).toBe(`${line}\n`)
    expect(await asKeyUser('keys root')).toBe('')
  })
})

lab_test('what keeps `ob keys` from looking is said to syslog, and is no key', async () => {
  await listenToSyslog(lab)
  const directory = '/etc/open-bastion/authorized_keys.d'
  const said = async (name: string): Promise<string> => {
    await lab.need(`: > ${syslog}`)
    expect(await asKeyUser(`keys ${name}`)).toBe('')
    await lab.need(`for i in $(seq 100); do test -s ${syslog} && break; sleep 0.01; done`)
    return lab.text(syslog)
  }
  await lab.need(`chmod 0700 ${directory}`)
  expect(await said('nobody-there')).toContain(`cannot examine ${directory}/nobody-there: permission denied`)
  await lab.need(`chmod 0777 ${directory}`)
  lab.write(`${directory}/solo`, `${publicKey('exported')}\n`)
  expect(await said('solo')).toContain(`${directory} can be written by others`)
  await lab.need(`chmod 0755 ${directory}; chown nobody ${directory}/solo`)
  expect(await said('solo')).toContain(`${directory}/solo belongs to uid 65534`)
  await lab.need(`rm ${directory}/solo; ln -s /etc/hostname ${directory}/solo`)
  expect(await said('solo')).toContain('it is a symbolic link')
  await lab.need(`rm ${directory}/solo; mkfifo ${directory}/solo`)
  expect(await said('solo')).toContain('is not a regular file')
  await lab.need(`rm ${directory}/solo; mkdir ${directory}/solo`)
  expect(await said('solo')).toContain('is not a regular file')
  await lab.need(`rmdir ${directory}/solo`)
})

lab_test('the command that ours took the place of still counts', async () => {
  await use('c')
  const line = `restrict,pty,command="echo $SSH_ORIGINAL_COMMAND" ${publicKey('chained')}`
  await withChain(`test "$1" = alice && echo '${line}'`, async () => {
    expect((await login({ user: 'alice', ...key('chained') })).verdict).toBe('in')
    expect(await asKeyUser('keys alice')).toContain(line)
    // It fails for bob: his own keys are not touched by that.
    expect(await asKeyUser('keys bob')).toBe(`${publicKey('bob-listed')}\n`)
  })
})

// biome-ignore format: a table
const chains: readonly (readonly [string, (line: string) => string])[] = [
  ['exits 1 after a good line', (line) => `echo '${line}'; exit 1`],
  ['prints garbage beside a good line', (line) => `echo '${line}'; echo 'Segmentation fault'`],
  ['hangs after a good line', (line) => `echo '${line}'; exec sleep 60`],
  ['leaves a child that holds its output', (line) => `echo '${line}'; sleep 60 & exit 0`],
  ['prints without end', () => 'exec yes'],
  ['names a certificate authority', (line) => `echo 'cert-authority ${line}'`],
  ['sets the environment', (line) => `echo 'environment="LD_PRELOAD=/x" ${line}'`],
]
for (const [what, script] of chains)
  lab_test(`nothing counts of a command that ${what}; the other keys do`, async () => {
    await use('c')
    await withChain(script(publicKey('chained')), async () => {
      const started = performance.now()
      expect(await asKeyUser('keys alice')).toBe(`${publicKey('alice-listed')}\n`)
      expect(performance.now() - started).toBeLessThan(5_000)
    })
  })

lab_test('a command that cannot be started takes no other key away', async () => {
  await withChain('exit 0', async () => {
    for (const spoil of [`chmod 0700 ${other}`, `chmod 0755 ${other}; echo nothing > ${other}`]) {
      await lab.need(spoil)
      expect(await asKeyUser('keys alice')).toBe(`${publicKey('alice-listed')}\n`)
    }
  })
})

lab_test('a link to nothing is nobody’s key', async () => {
  const link = '/etc/open-bastion/authorized_keys.d/linked'
  await lab.need(`ln -s /nowhere ${link}`)
  expect(await asKeyUser('keys linked')).toBe('')
  await lab.need(`rm ${link}`)
})

lab_test('a command that others may change is not run', async () => {
  await withChain(`echo '${publicKey('chained')}'`, async () => {
    await lab.need(`chmod 0777 ${other}`)
    expect(await asKeyUser('keys alice')).toBe(`${publicKey('alice-listed')}\n`)
    await lab.need(`chmod 0755 ${other}; chown nobody ${other}`)
    expect(await asKeyUser('keys alice')).toBe(`${publicKey('alice-listed')}\n`)
    await lab.need(`chown root ${other}; ln -sf ${other} ${other}-link; echo '${other}-link %u' > ${chain}`)
    expect(await asKeyUser('keys alice')).toBe(`${publicKey('alice-listed')}\n`)
    await lab.need(`rm ${other}-link`)
  })
})

lab_test('a key file that others may write is left out', async () => {
  await lab.need('chmod 0666 /etc/open-bastion/authorized_keys.d/bob')
  expect(await asKeyUser('keys bob')).toBe('')
  await lab.need('chmod 0644 /etc/open-bastion/authorized_keys.d/bob')
})

lab_test('the key policy is enforced before the proof, and in the session by the configuration itself', async () => {
  await use('c')
  const path = '/etc/open-bastion/openbastion.conf'
  const before = lab.text(path)
  const policy = 'ssh_key_policy_enabled = true\nssh_key_allowed_types = rsa\n'
  lab.write(path, before + policy, 0o600)
  try {
    // The first login leaves the policy for ob keys; the session phase refuses it already.
    expect((await login({ user: 'alice', ...key('alice-listed') })).reasons).toBe('portal-allowed key-policy')
    expect(await asKeyUser('keys alice')).toBe('')
    expect(await login({ user: 'alice', ...key('alice-listed') })).toEqual({ verdict: 'out', reasons: '', asked: '' })
  } finally {
    lab.write(path, before, 0o600)
    await lab.need('rm -f /var/lib/open-bastion/public.json')
  }
})

// --- certificates --------------------------------------------------------------------------------------------------

const principals =
  'AuthorizedPrincipalsCommand /usr/sbin/ob principals %u %i %s %f %k\nAuthorizedPrincipalsCommandUser ob-keys\n'
const dropIn = '/etc/ssh/sshd_config.d/00-before.conf'

async function withCertificates(config: string, commands: string, work: () => Promise<void>): Promise<void> {
  const path = '/etc/open-bastion/openbastion.conf'
  const before = lab.text(path)
  lab.write(path, before + config, 0o600)
  lab.write(dropIn, commands)
  await lab.setStack('e')
  stackNow = 'e'
  try {
    await work()
  } finally {
    lab.write(path, before, 0o600)
    await lab.need(`rm -f ${dropIn} /var/lib/open-bastion/public.json; touch /etc/ssh/revoked_keys`)
    stackNow = undefined
  }
}

lab_test('with AuthorizedPrincipalsCommand a certificate counts for the name in it and for nobody else', async () => {
  await withCertificates('', principals, async () => {
    const good = await login({ user: 'alice', ...key('alice-certified') })
    expect(good).toMatchObject({ verdict: 'in', reasons: 'portal-allowed key-accepted' })
    for (const name of ['bob-certified', 'nameless', 'foreign', 'expired', 'revoked'])
      expect([name, await login({ user: 'alice', ...key(name) })]).toEqual([
        name,
        { verdict: 'out', reasons: '', asked: '' },
      ])
    const listed = lab.text('/var/log/open-bastion/audit.json')
    expect(listed).toMatch(/"reason":"key-accepted","details":"[^\n]*certificate serial \d+ ID \\"alice-certified\\"/)
  })
})

for (const [how, commands, reasons] of [
  ['by the session phase', '', 'portal-allowed krl-stale'],
  ['by both', principals, ''],
] as const)
  lab_test(`a certificate is refused while the revocation list is too old, ${how}`, async () => {
    await withCertificates('krl_max_age = 3600\n', commands, async () => {
      // The first login tells ob principals about krl_max_age.
      expect((await login({ user: 'alice', ...key('alice-certified') })).verdict).toBe('in')
      await lab.need('touch -d -2hours /etc/ssh/revoked_keys')
      const seen = await login({ user: 'alice', ...key('alice-certified') })
      expect([seen.verdict, seen.reasons]).toEqual(['out', reasons])
      expect((await lab.run('ob krl status')).stdout).toContain('too old')
      await lab.need('touch /etc/ssh/revoked_keys')
      expect((await login({ user: 'alice', ...key('alice-certified') })).verdict).toBe('in')
    })
  })

lab_test(
  'ob krl update puts a list in place that sshd takes, and keeps it when the portal talks nonsense',
  async () => {
    await use('e')
    const kept = '/root/kept-list'
    await lab.need(`cp -p /etc/ssh/revoked_keys ${kept}; rm /etc/ssh/revoked_keys`)
    try {
      await lab.need('ob krl update')
      // The portal has revoked nothing and sends nothing; for sshd that is a whole list.
      expect(
        (await lab.run('ssh-keygen -Q -l -f /etc/ssh/revoked_keys; stat -c %a /etc/ssh/revoked_keys')).stdout,
      ).toMatch(/^# KRL version 0\n[\s\S]*644\n$/)
      expect((await login({ user: 'alice', ...key('alice-certified') })).verdict).toBe('in')
      const fingerprint = (await lab.need('ssh-keygen -lf /root/keys/revoked.pub')).split(' ')[1]
      await lab.portal('revokeFingerprint', { user: 'alice', fingerprint })
      await lab.need('ob krl update')
      const list = lab.text('/etc/ssh/revoked_keys')
      expect((await lab.need('ssh-keygen -Q -l -f /etc/ssh/revoked_keys')).match(/^serial: /gm)?.length).toBe(1)
      for (const kind of ['html', 'truncated-json', 'empty', 'oversize', 'down']) {
        await lab.portal('fault', { path: '/ssh/revoked', kind })
        expect([kind, (await lab.run('ob krl update')).code === 0]).toEqual([kind, false])
        expect(lab.text('/etc/ssh/revoked_keys') === list).toBe(true)
      }
    } finally {
      await lab.portal('fault', { kind: 'none' })
      await lab.need(`mv ${kept} /etc/ssh/revoked_keys`)
    }
  },
)
