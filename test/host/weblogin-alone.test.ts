// Hosts without a LemonLDAP::NG portal: a web login, and lists of who may. Their users are made at the first login.
import { expect } from 'bun:test'
import type { Lab } from './lab.ts'
import { inLab, startServe } from './suite.ts'
import { credential, onScreen, type Screen, servicePort, sshCommand, startWeb, type Web } from './web.ts'

let lab: Lab
let web: Web

const staff = 'urn:example:org:co:staff'
const configure = (extra: string): void =>
  lab.write(
    '/etc/open-bastion/openbastion.conf',
    `weblogin_url = http://127.0.0.1:${servicePort}\ncreate_user = true\ntimeout = 3\nsecrets_use_keyring = false\n${extra}`,
    0o600,
  )
const portal = (allow: string): void => configure(`weblogin = portal\nweblogin_token = ${credential}\n${allow}\n`)
const moduleService = (extra = ''): void =>
  configure(`weblogin = pam-weblogin\nweblogin_token = ${credential}\nweblogin_allow = %${staff}\n${extra}\n`)

const lab_test = inLab({ portal: false, stack: 'f' }, async (started) => {
  lab = started
  await lab.need("sed -i -E 's/^(passwd|group|shadow):.*/\\1: files extrausers systemd/' /etc/nsswitch.conf")
  portal('weblogin_allow = %staff')
  web = await startWeb(lab)
  await startServe(lab, '/run/systemd/userdb/io.openbastion')
  lab.write('/etc/sudoers.d/lab', 'una ALL=(ALL:ALL) ALL\numa ALL=(ALL:ALL) ALL\n', 0o440)
})

const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)
const confirmAs =
  (groups?: readonly string[], who?: string) =>
  async ({ handle }: Screen): Promise<string> =>
    String(await web.service('confirm', handle, who ?? null, groups ?? null))

const login = async (
  user: string,
  type: (screen: Screen) => Promise<string | undefined>,
  ...options: readonly string[]
) => {
  lab.audit()
  const seen = await onScreen(lab, sshCommand(user, 'echo ENTERED $(id -un) $(pwd)', ...options), { type })
  return { entered: /^ENTERED (\S+)/m.exec(seen.output)?.[1], addresses: seen.addresses.length, reasons: reasons() }
}

lab_test('a never-seen user of a listed group enters at the first connection, with a home', async () => {
  expect(await login('una', confirmAs(['staff']))).toEqual({
    entered: 'una',
    addresses: 1,
    reasons: ['weblogin-asked', 'weblogin-confirmed', 'portal-allowed', 'session-opened'],
  })
  expect((await lab.need('getent passwd una')).split(':')[5]).toBe('/home/una')
  expect((await login('una', confirmAs(['staff']))).entered).toBe('una')
})

lab_test('whoever is in no list does not enter, and an empty list is nobody', async () => {
  expect(await login('ulf', confirmAs(['guests']))).toMatchObject({
    reasons: ['weblogin-asked', 'weblogin-confirmed', 'weblogin-not-listed'],
  })
  portal('')
  expect((await login('una', confirmAs(['staff']))).reasons.at(-1)).toBe('weblogin-not-listed')
  portal('weblogin_allow = *')
  expect((await login('ulf', confirmAs([]))).entered).toBe('ulf')
  portal('weblogin_allow = %staff')
})

lab_test('accounts of the system are never opened, and local ones only by their own name', async () => {
  portal('weblogin_allow = *, %staff, daemon')
  await lab.need('usermod -s /bin/bash daemon')
  expect((await login('daemon', confirmAs(['staff']))).reasons.at(-1)).toBe('local-account')
  portal('weblogin_allow = *, %staff, daemon\nlocal_accounts = people, daemon')
  expect((await login('daemon', confirmAs(['staff']))).reasons.at(-1)).toBe('weblogin-local-account')
  expect((await login('localadm', confirmAs(['staff']))).reasons.at(-1)).toBe('weblogin-local-account')
  portal('weblogin_allow = localadm')
  expect((await login('localadm', confirmAs([]))).entered).toBe('localadm')
  portal('weblogin_allow = %staff')
})

lab_test(
  'a key that sshd accepts by mistake opens nothing, because nobody was confirmed on that connection',
  async () => {
    await login('una', confirmAs(['staff']))
    await lab.need(`ssh-keygen -q -t ed25519 -N '' -f /root/una && cp /root/una.pub /etc/open-bastion/authorized_keys.d/una
    sed -e 's/^AuthenticationMethods .*/AuthenticationMethods publickey/' /etc/ssh/sshd_config.d/00-open-bastion.conf |
      sed -e 's/^PubkeyAuthentication no/PubkeyAuthentication yes\\nAuthorizedKeysFile \\/etc\\/open-bastion\\/authorized_keys.d\\/%u/' > /root/wrong.conf
    cp /root/wrong.conf /etc/ssh/sshd_config.d/00-open-bastion.conf && kill -HUP $(cat /run/sshd.pid)`)
    lab.audit()
    let seen = await lab.ssh({ user: 'una', key: '/root/una' })
    for (let tries = 0; tries < 20 && seen.stderr.includes('refused'); tries++)
      seen = await lab.ssh({ user: 'una', key: '/root/una' })
    expect([seen.entered, reasons()]).toEqual([false, ['weblogin-no-record']])
    await lab.setStack('f')
  },
)

lab_test('sudo needs a web login of its own, and weblogin_sudo', async () => {
  portal('weblogin_allow = %staff\nweblogin_sudo = %admins')
  const sudo = async (groups: readonly string[], argv: readonly string[] = ['sudo', 'id', '-un']) => {
    lab.audit()
    const seen = await onScreen(lab, argv, { user: 'una', type: confirmAs(groups) })
    return { root: /^root$/m.test(seen.output), reasons: reasons() }
  }
  expect(await sudo(['admins'])).toEqual({
    root: true,
    reasons: ['weblogin-asked', 'weblogin-confirmed', 'sudo-allowed'],
  })
  expect(await sudo(['staff'])).toMatchObject({ root: false })
  // NOPASSWD skips the auth lines: then nobody was confirmed.
  lab.write('/etc/sudoers.d/lab', 'una ALL=(ALL:ALL) NOPASSWD: ALL\n', 0o440)
  expect(await sudo(['admins'])).toEqual({ root: false, reasons: ['weblogin-no-record'] })
  lab.write('/etc/sudoers.d/lab', 'una ALL=(ALL:ALL) ALL\n', 0o440)
})

lab_test('a code of pam-weblogin counts only after a key', async () => {
  moduleService()
  expect(await login('una', confirmAs())).toMatchObject({ addresses: 0 })
  moduleService('weblogin_without_key = true')
  expect((await login('una', confirmAs())).entered).toBe('una')
  moduleService()
  await lab.setStack('k')
  const key = ['-i', '/root/una', '-o', 'IdentitiesOnly=yes']
  expect(await login('una', confirmAs(), ...key)).toEqual({
    entered: 'una',
    addresses: 1,
    reasons: ['weblogin-asked', 'weblogin-confirmed', 'portal-allowed', 'session-opened'],
  })
})

lab_test('what the servers of pam-weblogin are known to do lets nobody in', async () => {
  const key = ['-i', '/root/una', '-o', 'IdentitiesOnly=yes']
  for (const lie of ['moduleCached', 'moduleOther', 'html', 'fails']) {
    await web.service('lie', lie)
    const seen = await login('una', async (screen) => (screen.prompt === 1 ? '1234' : undefined), ...key)
    expect([lie, seen.entered]).toEqual([lie, undefined])
  }
  await web.service('lie', 'none')
  // Three tries a login, counted here, because the server counts none.
  let address = ''
  const guess = await login(
    'una',
    async (screen) => {
      address = screen.handle
      return 'xxxx'
    },
    ...key,
  )
  expect(guess.addresses).toBe(1)
  expect(guess.reasons.filter((reason) => reason === 'weblogin-wrong-code').length).toBe(3)
  expect(address).not.toBe('')
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
})

lab_test('the settings of the C module are taken over by one command', async () => {
  lab.write(
    '/etc/security/pam-weblogin.conf',
    `url = http://127.0.0.1:${servicePort}/\ntoken = Bearer ${credential}\nattribute = username\ncache_duration = 30\nretries = 3\n`,
    0o600,
  )
  const shown = await lab.need('ob weblogin import')
  expect(shown).toContain('weblogin = pam-weblogin\n')
  expect(shown).not.toContain(credential)
  await lab.need('rm /etc/open-bastion/openbastion.conf; ob weblogin import --write')
  const conf = `${lab.text('/etc/open-bastion/openbastion.conf')}weblogin_allow = una\n`
  lab.write('/etc/open-bastion/openbastion.conf', conf, 0o600)
  const key = ['-i', '/root/una', '-o', 'IdentitiesOnly=yes']
  expect((await login('una', confirmAs(), ...key)).entered).toBe('una')
})
