// Certificates from a login: one line of ssh, a stock sshd in front, a stock agent that signs.
import { expect } from 'bun:test'
import { wireString } from '../../src/ssh/wire.ts'
import {
  admit,
  askAuthority,
  certify,
  logIn,
  newKey,
  settings,
  settleAuthority,
  startAgent,
  stopAgent,
} from './authority.ts'
import { configure, inventedToken, mintToken } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { inLab, startServe } from './suite.ts'

let lab: Lab

const lab_test = inLab(
  {},
  async (started) => {
    lab = started
    await settleAuthority(lab)
    await newKey(lab, 'first')
    await newKey(lab, 'second')
  },
  120_000,
)

const events = (type: string): readonly string[] =>
  lab
    .audit()
    .filter(({ event_type }) => event_type === type)
    .map(({ reason, user, details }) => `${user ?? `- ${details}`} ${reason}`)

const quiet =
  '-F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'

lab_test('a token and a key make a certificate, and the certificate is a login', async () => {
  lab.audit()
  const ran = await certify(lab, 'first', 'alice')
  expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('for alice, valid until')])
  expect(ran.stdout).toMatch(/^ssh-ed25519-cert-v01@openssh\.com \S+ alice@ca\.example\.test \d+\n$/)
  const listed = await lab.need('ssh-keygen -L -f /root/keys/first-cert.pub')
  expect(listed).toMatch(/Key ID: "alice@ca\.example\.test \d+"/)
  expect(listed).toContain('Principals: \n                alice\n')
  expect(listed).toContain('Critical Options: (none)')
  expect(listed).toContain('Extensions: \n                permit-port-forwarding\n                permit-pty\n')
  const serial = /Serial: (\d+)/.exec(listed)?.[1]
  const [line] = lab.audit().filter(({ event_type }) => event_type === 'CERTIFICATE_ISSUED')
  const fingerprint = (await lab.need('ssh-keygen -lf /root/keys/first.pub')).split(' ')[1]
  expect(line).toMatchObject({ user: 'alice', client_ip: '127.0.0.1', serial, fingerprint })
  const login = await logIn(lab, 'alice', 'first', 'id -un')
  expect([login.code, login.stdout]).toEqual([0, 'alice\n'])
  expect((await logIn(lab, 'bob', 'first', 'id -un')).code).toBe(255)
})

const kinds: readonly (readonly [string, string])[] = [
  ['ecdsa', '-t ecdsa -b 256'],
  ['rsa', '-t rsa -b 3072'],
]
for (const [name, how] of kinds)
  lab_test(`a ${name} key is certified and used: a shell, scp, git`, async () => {
    await newKey(lab, name, how)
    expect((await certify(lab, name, 'alice')).code).toBe(0)
    const key = `/root/keys/${name}`
    expect((await logIn(lab, 'alice', name, 'id -un')).stdout).toBe('alice\n')
    await lab.need(`echo content > /tmp/sent; scp -q ${quiet} -i ${key} /tmp/sent alice@127.0.0.1:received-${name}`)
    expect(await lab.need(`cat /home/alice/received-${name}`)).toBe('content\n')
    if ((await lab.run('command -v git')).code !== 0) return
    await logIn(lab, 'alice', name, `git init -q --bare ${name}.git`)
    const git = `export GIT_SSH_COMMAND="ssh ${quiet} -i ${key}" HOME=/root; rm -rf /tmp/w; git clone -q alice@127.0.0.1:${name}.git /tmp/w`
    await lab.need(
      `${git} && cd /tmp/w && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git push -q origin HEAD`,
    )
    expect((await logIn(lab, 'alice', name, `git -C ${name}.git rev-list --all --count`)).stdout).toBe('1\n')
  })

lab_test('a terminal works with a certificate', async () => {
  const login = await lab.ssh({
    user: 'alice',
    key: '/root/keys/first',
    options: ['-tt'],
    command: 'test -t 0 && id -un; exit 3',
  })
  expect([login.code, login.stdout.trim()]).toEqual([3, 'alice'])
})

lab_test('a token works once, also in parallel, and another person’s token names that person', async () => {
  const token = await mintToken(lab, 'alice')
  const runs = await Promise.all([1, 2, 3, 4].map(() => askAuthority(lab, 'second', `token ${token}`)))
  expect(runs.map(({ code }) => code).sort()).toEqual([0, 77, 77, 77])
  expect((await askAuthority(lab, 'second', `token ${token}`)).code).toBe(77)
  // Whoever holds a token is its person to the portal, with whatever key; the certificate says so.
  expect((await certify(lab, 'second', 'bob')).stdout).toContain('bob@ca.example.test')
  expect((await logIn(lab, 'alice', 'second', 'id')).code).toBe(255)
})

const refusals: readonly (readonly [string, string, number])[] = [
  ['an invented token', `token ${inventedToken()}`, 77],
  ['no token', 'token', 64],
  ['two tokens', 'token a b', 64],
  ['no command', '', 64],
  ['another command', 'id', 64],
  ['a token with a shell in it', "'token $(id)'", 64],
  ['sftp', '-s sftp', 64],
]
lab_test('whatever is no token of the portal gives no certificate, and says so on standard error', async () => {
  for (const [name, command, code] of refusals) {
    const ran = await askAuthority(lab, 'second', command)
    expect([name, ran.code, ran.stdout]).toEqual([name, code, ''])
    // sshd has no standard error for a subsystem.
    if (name !== 'sftp') expect(ran.stderr).not.toBe('')
  }
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
})

lab_test('the account gives no terminal, no shell, no forwarding, and signs no certificate', async () => {
  const terminal = await askAuthority(lab, 'second', '', '-tt')
  expect([terminal.code, terminal.stdout]).toEqual([255, ''])
  const forwarded = await lab.run(`timeout 5 ssh ${quiet} -i /root/keys/second -W 127.0.0.1:22 ca@127.0.0.1`)
  expect(forwarded.stdout).not.toContain('SSH-2.0')
  const withCertificate = await lab.run(
    `ssh ${quiet} -o BatchMode=yes -o CertificateFile=/root/keys/second-cert.pub -o PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com -i /root/keys/second ca@127.0.0.1 show`,
  )
  expect(withCertificate.code).toBe(255)
  expect((await lab.run(`ssh ${quiet} -o PubkeyAuthentication=no -o BatchMode=yes ca@127.0.0.1 show`)).code).toBe(255)
})

lab_test(
  'the helper of the account lists the very key that is offered, and nothing for what is no plain key',
  async () => {
    const [type = '', blob = ''] = lab.text('/root/keys/second.pub').split(' ')
    const listed = await lab.run(`ob ca-keys ${type} ${blob}`)
    expect(listed.stdout).toBe(`restrict,command="/usr/bin/sudo -n /usr/sbin/ob ca sign" ${type} ${blob}\n`)
    const [ofCertificate = '', certificate = ''] = lab.text('/root/keys/second-cert.pub').split(' ')
    const huge = new Uint8Array(64 << 10).toBase64()
    const rsa = Buffer.concat([
      wireString('ssh-rsa'),
      wireString(Uint8Array.of(1, 0, 1)),
      wireString(new Uint8Array(65_000).fill(127)),
    ])
    for (const [name, args] of [
      ['a certificate', `${ofCertificate} ${certificate}`],
      ['a key of another type', `ssh-rsa ${blob}`],
      ['64 KB of nothing', `${type} ${huge}`],
      ['an RSA key of 65 000 bytes', `ssh-rsa ${rsa.toString('base64')}`],
      ['half a key', `${type} ${blob.slice(0, 40)}`],
      ['two lines', `${type} '${blob}\n${type} ${blob}'`],
    ] as const) {
      const ran = await lab.run(`ob ca-keys ${args}`)
      expect([name, ran.stdout]).toEqual([name, ''])
    }
  },
)

lab_test('who may not have a certificate is refused whatever the portal says', async () => {
  await admit(lab, 'ca', 'login', 'root', 'sshd')
  lab.audit()
  for (const user of ['root', 'ca', 'login', 'sshd', 'dave']) {
    const ran = await askAuthority(lab, 'second', `token ${await mintToken(lab, user)}`)
    expect([user, ran.code, ran.stdout]).toEqual([user, 77, ''])
  }
  expect(events('CERTIFICATE_REFUSED')).toEqual([
    'root root-refused',
    'ca person-refused',
    'login person-refused',
    'sshd local-account',
    'dave portal-denied',
  ])
})

lab_test('a key that the policy refuses is not signed, and the person reads what to do', async () => {
  await newKey(lab, 'small', '-t rsa -b 2048')
  await configure(lab, `${settings}ssh_key_policy_enabled = true\nssh_key_min_rsa_bits = 3072\n`)
  const ran = await certify(lab, 'small', 'alice')
  await configure(lab, settings)
  expect([ran.code, ran.stderr]).toEqual([77, expect.stringContaining('ssh-keygen -t ed25519')])
})

lab_test(
  'without its agent, or with an agent of another key, the authority says try again and spends no token',
  async () => {
    await lab.portal('forgetRequests')
    const token = await mintToken(lab, 'alice')
    await stopAgent(lab)
    const away = await askAuthority(lab, 'second', `token ${token}`)
    expect([away.code, away.stderr]).toEqual([69, expect.stringContaining('Try again')])
    await lab.need('mv /var/lib/open-bastion-ca/user-1.key /root/set-aside')
    await startAgent(lab)
    expect((await askAuthority(lab, 'second', `token ${token}`)).code).toBe(69)
    await lab.need('mv /root/set-aside /var/lib/open-bastion-ca/user-1.key')
    await stopAgent(lab)
    await startAgent(lab)
    expect(await lab.portal('requests', { path: '/pam/verify' })).toEqual([])
    expect((await askAuthority(lab, 'second', `token ${token}`)).code).toBe(0)
  },
)

const nonsense = [
  [{ kind: 'html' }, 'portal-out-of-order'],
  [{ kind: 'empty' }, 'portal-garbled'],
] as const

lab_test(
  'a portal that is away or answers nonsense gives no certificate, and the token can be used afterwards',
  async () => {
    const token = await mintToken(lab, 'alice')
    await lab.cutNetwork()
    expect((await askAuthority(lab, 'second', `token ${token}`)).code).toBe(69)
    await lab.restore()
    await lab.need('rm -f /run/open-bastion/absent-portal /run/open-bastion/silent-portal')
    // Nonsense in place of the answer: the portal did not come to its work, and the token is still good.
    for (const [fault, reason] of nonsense) {
      lab.audit()
      await lab.portal('fault', { ...fault, path: '/pam/verify' })
      const ran = await askAuthority(lab, 'second', `token ${token}`)
      await lab.portal('fault', { kind: 'none' })
      expect([fault.kind, ran.code, ran.stdout, ran.stderr]).toEqual([fault.kind, 69, '', expect.stringMatching(/\S/)])
      expect(events('CERTIFICATE_REFUSED')).toEqual([expect.stringContaining(reason)])
    }
    expect((await askAuthority(lab, 'second', `token ${token}`)).code).toBe(0)
  },
)

lab_test(
  'a portal that spoils its answers gives no certificate, neither about the token nor about the person',
  async () => {
    for (const path of ['/pam/verify', '/pam/authorize'])
      for (const kind of ['truncated-json', 'wrong-member', 'text-json'] as const) {
        lab.audit()
        await lab.portal('fault', { kind, path })
        const ran = await askAuthority(lab, 'second', `token ${await mintToken(lab, 'alice')}`)
        await lab.portal('fault', { kind: 'none' })
        expect([path, kind, ran.code, ran.stdout]).toEqual([path, kind, 69, ''])
        expect(events('CERTIFICATE_REFUSED')).toEqual([expect.stringContaining('portal-garbled')])
      }
    expect((await certify(lab, 'second', 'alice')).code).toBe(0)
  },
)

lab_test(
  'the private key can be read by the agent’s user alone, and the agent talks to root and to that user',
  async () => {
    expect(await lab.need('stat -c "%U %a" /var/lib/open-bastion-ca/user-1.key /var/lib/open-bastion-ca')).toBe(
      'open-bastion-ca 600\nopen-bastion-ca 700\n',
    )
    const asCa = await lab.run('SSH_AUTH_SOCK=/run/open-bastion-ca/agent setpriv --reuid=ca --clear-groups ssh-add -l')
    expect(asCa.code).toBe(2)
  },
)

lab_test('a revoked person has no certificate, new or old', async () => {
  await certify(lab, 'first', 'alice')
  expect((await logIn(lab, 'alice', 'first', 'id -un')).code).toBe(0)
  await lab.need('ob ca revoke alice && install -m 0644 /var/lib/open-bastion/revoked_keys /etc/ssh/revoked_keys')
  expect((await logIn(lab, 'alice', 'first', 'id -un')).code).toBe(255)
  const again = await askAuthority(lab, 'first', `token ${await mintToken(lab, 'alice')}`)
  expect([again.code, again.stderr]).toEqual([77, expect.stringContaining('revoked')])
  await lab.need('ob ca restore alice && install -m 0644 /var/lib/open-bastion/revoked_keys /etc/ssh/revoked_keys')
  expect((await logIn(lab, 'alice', 'first', 'id -un')).code).toBe(255)
  expect((await certify(lab, 'first', 'alice')).code).toBe(0)
  expect((await logIn(lab, 'alice', 'first', 'id -un')).stdout).toBe('alice\n')
})

lab_test('a serial and a key are revoked one by one', async () => {
  await newKey(lab, 'third')
  await certify(lab, 'third', 'alice')
  const serial = /Serial: (\d+)/.exec(await lab.need('ssh-keygen -L -f /root/keys/third-cert.pub'))?.[1]
  const put = 'install -m 0644 /var/lib/open-bastion/revoked_keys /etc/ssh/revoked_keys'
  await lab.need(`ob ca revoke ${serial} && ${put}`)
  expect((await logIn(lab, 'alice', 'third', 'id -un')).code).toBe(255)
  expect((await certify(lab, 'third', 'alice')).code).toBe(0)
  expect((await logIn(lab, 'alice', 'third', 'id -un')).code).toBe(0)
  const fingerprint = (await lab.need('ssh-keygen -lf /root/keys/third.pub')).split(' ')[1]
  await lab.need(`ob ca revoke ${fingerprint} && ${put}`)
  // This host's own sshd reads the list too, and refuses the key before anybody could sign it.
  expect((await certify(lab, 'third', 'alice')).code).toBe(255)
  expect((await logIn(lab, 'alice', 'third', 'id -un')).code).toBe(255)
  expect((await logIn(lab, 'alice', 'first', 'id -un')).code).toBe(0)
})

lab_test('a certificate ends by itself', async () => {
  // The authority’s clock cannot be moved in a namespace; what it signs can be given a past.
  await newKey(lab, 'past')
  const sock = 'SSH_AUTH_SOCK=/run/open-bastion-ca/agent'
  await lab.need(
    `${sock} ssh-keygen -q -Us /etc/open-bastion/ca/user_ca.pub -I alice -n alice -V -2h:-1h /root/keys/past.pub`,
  )
  expect((await logIn(lab, 'alice', 'past', 'id -un')).code).toBe(255)
  await lab.need(
    `${sock} ssh-keygen -q -Us /etc/open-bastion/ca/user_ca.pub -I alice -n alice -V -2h:+1h /root/keys/past.pub`,
  )
  expect((await logIn(lab, 'alice', 'past', 'id -un')).code).toBe(0)
})

lab_test('a never-seen user of a certificate becomes a user of the host', async () => {
  await admit(lab, 'newcomer')
  await newKey(lab, 'newcomer')
  expect((await certify(lab, 'newcomer', 'newcomer')).code).toBe(0)
  const first = await logIn(lab, 'login', 'newcomer', 'id -un; pwd; stat -c %U ~')
  expect([first.code, first.stdout]).toEqual([0, 'newcomer\n/home/newcomer\nnewcomer\n'])
  expect((await logIn(lab, 'newcomer', 'newcomer', 'id -un')).stdout).toBe('newcomer\n')
})

lab_test(
  'where ob serve answers for names, a never-seen user logs in by the own name at the first attempt',
  async () => {
    await lab.need(
      "ldconfig -p | grep libnss_systemd || { echo 'libnss_systemd.so.2 is missing: npm test fetches it'; exit 1; }",
    )
    const before = lab.text('/etc/nsswitch.conf')
    await admit(lab, 'firstcomer', 'nameless')
    await newKey(lab, 'firstcomer')
    expect((await certify(lab, 'firstcomer', 'firstcomer')).code).toBe(0)
    const enter = (user: string) => logIn(lab, user, 'firstcomer', 'id -un; pwd; stat -c %U ~')
    // Without the service sshd knows no such user.
    expect((await enter('firstcomer')).code).toBe(255)
    await lab.need("sed -i -E 's/^(passwd|group|shadow):.*/\\1: files extrausers systemd/' /etc/nsswitch.conf")
    const served = await startServe(lab, '/run/systemd/userdb/io.openbastion')
    // The certificate is for one name.
    expect((await enter('nameless')).code).toBe(255)
    const first = await enter('firstcomer')
    expect([first.code, first.stdout]).toEqual([0, 'firstcomer\n/home/firstcomer\nfirstcomer\n'])
    await served.stop()
    lab.write('/etc/nsswitch.conf', before)
    expect((await enter('firstcomer')).code).toBe(0)
  },
)

lab_test('two authorities stand side by side until the old certificates are gone', async () => {
  await certify(lab, 'first', 'alice')
  await lab.need('ob ca rotate')
  const trusted = await lab.need('cat /etc/open-bastion/ca/user_ca.pub')
  expect(trusted.trim().split('\n').length).toBe(2)
  await lab.need('cat /etc/open-bastion/ca/user_ca.pub >> /etc/ssh/open-bastion_ca.pub')
  await lab.need('ob ca rotate --activate')
  expect((await certify(lab, 'second', 'alice')).code).toBe(0)
  const signers = await lab.need(
    'for key in first second; do ssh-keygen -L -f /root/keys/$key-cert.pub | grep "Signing CA"; done',
  )
  expect(new Set(signers.trim().split('\n')).size).toBe(2)
  for (const key of ['first', 'second']) expect((await logIn(lab, 'alice', key, 'id -un')).code).toBe(0)
  const early = await lab.run('ob ca rotate --finish')
  expect([early.code, early.stderr]).toEqual([70, expect.stringContaining('is good until')])
})

lab_test(
  'a host proves its key and has a certificate of the names that the authority knows, and clients trust it',
  async () => {
    await lab.need('ob ca host lab.example.test,127.0.0.1 --key /etc/ssh/ssh_host_ed25519_key.pub')
    const own = '-o CertificateFile=none -o BatchMode=yes -i /etc/ssh/ssh_host_ed25519_key'
    const ran = await lab.run(`ssh ${quiet} ${own} ca@127.0.0.1 host`)
    expect(ran.code).toBe(0)
    expect((await askAuthority(lab, 'first', 'host')).code).toBe(77)
    lab.write('/etc/ssh/ssh_known_hosts', await lab.need('ob trust 127.0.0.1'))
    lab.write(
      '/etc/ssh/sshd_config.d/03-host.conf',
      'HostCertificate /var/lib/open-bastion/ssh_host_ed25519_key-cert.pub\n',
    )
    await configure(lab, `${settings}host_certificate_from = ca@127.0.0.1\n`)
    lab.write('/var/lib/open-bastion/ssh_host_ed25519_key-cert.pub', ran.stdout)
    await lab.setStack('e')
    await certify(lab, 'first', 'alice')
    const strict =
      '-F none -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null -o BatchMode=yes -i /root/keys/first'
    expect((await lab.run(`ssh ${strict} alice@127.0.0.1 id -un`)).stdout).toBe('alice\n')
    // The timer's program fetches a new one by itself when the present one is about to end.
    const sock = 'SSH_AUTH_SOCK=/run/open-bastion-ca/agent'
    const ending = '-h -I ending -n 127.0.0.1 -V -1h:+1m'
    await lab.need(
      `cp /etc/ssh/ssh_host_ed25519_key.pub /tmp/h.pub && ${sock} ssh-keygen -q -Us /etc/open-bastion/ca/host_ca.pub ${ending} /tmp/h.pub`,
    )
    await lab.need('cp /tmp/h-cert.pub /var/lib/open-bastion/ssh_host_ed25519_key-cert.pub && ob heartbeat --once')
    const listed = await lab.need('ssh-keygen -L -f /var/lib/open-bastion/ssh_host_ed25519_key-cert.pub')
    expect(listed).toContain('Type: ssh-ed25519-cert-v01@openssh.com host certificate')
    expect(listed).toContain('lab.example.test')
  },
)

lab_test('the authority shows what hosts and clients need, and where a token comes from', async () => {
  const shown = await askAuthority(lab, 'first', 'show')
  expect(shown.code).toBe(0)
  const file = '/tmp/shown'
  lab.write(file, shown.stdout)
  // Its own lines are keys, the rest are comments: the output is the file of TrustedUserCAKeys.
  expect(await lab.need(`ssh-keygen -lf ${file} | wc -l`)).toBe('2\n')
  expect(shown.stdout).toContain('# @cert-authority *.example.test ssh-ed25519 ')
  const login = await askAuthority(lab, 'first', 'login')
  expect([login.code, login.stdout]).toEqual([0, expect.stringContaining('/pam and log in')])
})
