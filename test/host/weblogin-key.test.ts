// A key first, then the web login; and web logins that count for further connections.
import { expect } from 'bun:test'
import { settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { inLab } from './suite.ts'
import { credential, onScreen, type Screen, servicePort, sshCommand, startWeb, type Web } from './web.ts'

let lab: Lab
let web: Web

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleIn(
    lab,
    `weblogin = portal
weblogin_url = http://127.0.0.1:${servicePort}
weblogin_token = ${credential}
weblogin_approval = 600
`,
  )
  web = await startWeb(lab)
  await lab.setStack('k')
  await lab.need(`cp /root/keys/stranger.pub /root/keys/alice-second.pub && cp /root/keys/stranger /root/keys/alice-second
    cat /root/keys/stranger.pub >> /etc/open-bastion/authorized_keys.d/alice`)
})

const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)
const confirm = async ({ handle }: Screen): Promise<string> => String(await web.service('confirm', handle))
const withKey = (name: string): readonly string[] => ['-i', `/root/keys/${name}`, '-o', 'IdentitiesOnly=yes']

const login = async (key: string | undefined, type: (screen: Screen) => Promise<string | undefined> | undefined) => {
  lab.audit()
  const options = key === undefined ? ['-o', 'PubkeyAuthentication=no'] : withKey(key)
  const seen = await onScreen(lab, sshCommand('alice', 'echo ENTERED $(id -un)', ...options), { type })
  return { entered: seen.output.includes('ENTERED alice'), addresses: seen.addresses.length, reasons: reasons() }
}
const forgetApprovals = async () => {
  await web.service('dropApprovals')
  await lab.need('rm -rf /run/open-bastion/weblogin')
}
const started = async () => (await web.service('starts')) as readonly Readonly<Record<string, unknown>>[]

lab_test('neither the key nor the web login alone opens anything; both do', async () => {
  expect((await login('alice-listed', () => undefined)).entered).toBe(false)
  const web = await login(undefined, confirm)
  expect([web.entered, web.addresses]).toEqual([false, 0])
  await forgetApprovals()
  const both = await login('alice-listed', confirm)
  expect(both).toEqual({
    entered: true,
    addresses: 1,
    reasons: ['weblogin-asked', 'weblogin-confirmed', 'portal-allowed', 'session-opened'],
  })
})

lab_test('the service is told who, from where, to which host and with which proven key', async () => {
  await forgetApprovals()
  await login('alice-listed', confirm)
  const [, fingerprint] = (await lab.need('ssh-keygen -lf /root/keys/alice-listed.pub')).split(' ')
  expect((await started()).at(-1)).toEqual({
    ...{ user: 'alice', service: 'sshd', host: 'lab', host_group: 'truth', rhost: '127.0.0.1' },
    ...{ key_fingerprint: fingerprint, key_type: 'ssh-ed25519', approval_seconds: 600 },
  })
})

lab_test('a recent web login counts for the next connection of the same key: nothing is asked, sftp too', async () => {
  await forgetApprovals()
  await login('alice-listed', confirm)
  const next = await login('alice-listed', () => undefined)
  expect(next).toEqual({
    entered: true,
    addresses: 0,
    reasons: ['weblogin-approved', 'portal-allowed', 'session-opened'],
  })
  const sftp = await lab.run(
    [
      ...['sftp', '-F', 'none', ...withKey('alice-listed'), '-o', 'StrictHostKeyChecking=no'],
      ...['-o', 'UserKnownHostsFile=/dev/null', '-o', 'BatchMode=no', '-b', '-', 'alice@127.0.0.1'],
    ],
    { stdin: 'pwd\n' },
  )
  expect(sftp.stdout).toContain('Remote working directory: /home/alice')
  expect((await login('alice-second', () => undefined)).addresses).toBe(1)
  const sudo = await onScreen(lab, ['sudo', 'id', '-un'], { user: 'alice', type: confirm })
  expect(sudo.addresses.length).toBe(1)
  expect((await started()).at(-1)).not.toHaveProperty('approval_seconds')
})

lab_test('approvals are listed, and after a revocation the service’s own do not count either', async () => {
  await forgetApprovals()
  await login('alice-listed', confirm)
  expect(await lab.need('ob weblogin approvals')).toMatch(
    /^alice from 127\.0\.0\.1 with SHA256:\S+: 10 min left, kept by the service\n$/,
  )
  expect(JSON.parse(await lab.need('ob weblogin approvals --json'))).toMatchObject([
    { user: 'alice', keptBy: 'service' },
  ])
  expect(await lab.need('ob weblogin revoke alice')).toContain('(1 known)')
  expect(await lab.need('ob weblogin approvals')).toBe('no web login counts for further connections\n')
  const after = await login('alice-listed', confirm)
  expect([after.entered, after.addresses]).toEqual([true, 1])
})

lab_test('a service that approves what it was not asked, or somebody else, is not believed', async () => {
  await forgetApprovals()
  await lab.need('rm -rf /var/lib/open-bastion/weblogin-revoked')
  for (const lie of ['approvesOther', 'approvesForEver']) {
    await web.service('lie', lie)
    const seen = await login('alice-listed', () => undefined)
    expect([lie, seen.entered]).toEqual([lie, false])
  }
  await web.service('lie', 'approves')
  const sudo = await onScreen(lab, ['sudo', 'id', '-un'], { user: 'alice', type: () => undefined })
  await web.service('lie', 'none')
  expect(sudo.output).not.toMatch(/^root$/m)
})

lab_test('root comes in with root’s key alone', async () => {
  const root = await lab.ssh({ user: 'root', key: '/root/.ssh/id_root' })
  expect(root.entered).toBe(true)
})

lab_test('one web page for all: with llng the address is the portal’s and the code its one-time token', async () => {
  await lab.need(`sed -i 's/^weblogin = .*/weblogin = llng/; /^weblogin_url/d' /etc/open-bastion/openbastion.conf`)
  await lab.need('rm -rf /run/open-bastion/weblogin')
  const token = async () => String(await lab.portal('mintToken', { user: 'alice' }))
  lab.audit()
  const command = sshCommand('alice', 'echo ENTERED $(id -un)', ...withKey('alice-listed'))
  const seen = await onScreen(lab, command, { type: token })
  expect(seen.output).toContain(`${lab.portalUrl}/pam\n`)
  expect(seen.output).toContain('ENTERED alice')
  expect(reasons()).toEqual(['weblogin-asked', 'token-accepted', 'portal-allowed', 'session-opened'])
  // weblogin_approval holds here too; this host keeps it.
  const next = await onScreen(lab, command, { type: () => undefined })
  expect([next.prompts, next.output.includes('ENTERED alice')]).toEqual([0, true])
  const wrong = await onScreen(lab, sshCommand('alice', 'echo ENTERED', ...withKey('alice-second')), {
    type: (screen) => (screen.prompt === 1 ? 'nonsense' : undefined),
  })
  expect(wrong.output).not.toContain('ENTERED')
})
