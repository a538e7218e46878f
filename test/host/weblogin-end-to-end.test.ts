// From end to end: ssh on a terminal, a real sshd, `ob portal`, a provider that is not ours, and a real browser that a
// person uses. Nothing is faked but the network.
import { expect, test } from 'bun:test'
import { browserRefusal } from '../browser/parts.ts'
import { type Elsewhere, startElsewhere } from './elsewhere.ts'
import type { Lab } from './lab.ts'
import { inLab, startServe } from './suite.ts'
import { onScreen, type Screen, sshCommand } from './web.ts'

const refusal = browserRefusal()
if (refusal !== undefined) console.error(`the end-to-end test of the web login is skipped: ${refusal}`)

let lab: Lab
let site: Elsewhere
const elsewhere: Elsewhere['ask'] = (verb, ...words) => site.ask(verb, ...words)

const configure = (extra: string): void =>
  lab.write(
    '/etc/open-bastion/openbastion.conf',
    `${site.settings}server_group = web
create_user = true\nweblogin_allow = %staff\nweblogin_sudo = %admins\nsecrets_use_keyring = false\n${extra}`,
    0o600,
  )

const prepare = async (started: Lab): Promise<void> => {
  lab = started
  site = await startElsewhere(lab, 'web')
  await lab.need("sed -i -E 's/^(passwd|group|shadow):.*/\\1: files extrausers systemd/' /etc/nsswitch.conf")
  configure('weblogin = portal\n')
  await startServe(lab, '/run/systemd/userdb/io.openbastion')
  await lab.need(`for user in alice bob; do
      ssh-keygen -q -t ed25519 -N '' -f /root/$user && install -m 0644 /root/$user.pub /etc/open-bastion/authorized_keys.d/$user
    done
    printf 'alice ALL=(ALL:ALL) ALL\\nbob ALL=(ALL:ALL) ALL\\n' > /etc/sudoers.d/lab && chmod 0440 /etc/sudoers.d/lab`)
}

const lab_test =
  refusal === undefined
    ? inLab({ portal: false, stack: 'k' }, prepare, 120_000)
    : (name: string, work: () => Promise<void>) => test.skip(name, work)

const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)
const key = (user: string): readonly string[] => ['-i', `/root/${user}`, '-o', 'IdentitiesOnly=yes']
const confirmAs =
  (name: string, remember = '') =>
  async ({ address }: Screen): Promise<string> =>
    String(await elsewhere('confirm', address, name, remember))

const login = async (
  user: string,
  type: (screen: Screen) => Promise<string | undefined> | undefined,
  options: readonly string[] = key(user),
) => {
  lab.audit()
  const seen = await onScreen(lab, sshCommand(user, 'echo ENTERED $(id -un) $(pwd)', ...options), { type })
  return { ...seen, entered: /^ENTERED (\S+)/m.exec(seen.output)?.[1], reasons: reasons() }
}

lab_test('a never-seen user: key, address, provider, button, code, shell', async () => {
  const seen = await login('alice', confirmAs('sub-alice'))
  expect(seen.output).toContain('ENTERED alice /home/alice')
  expect(seen.reasons).toEqual(['weblogin-asked', 'weblogin-confirmed', 'portal-allowed', 'session-opened'])
  expect((await lab.need('getent passwd alice')).split(':')[5]).toBe('/home/alice')
})

lab_test('a second connection on an approval that the person gave asks nothing; a revocation ends it', async () => {
  configure('weblogin = portal\nweblogin_approval = 3600\n')
  expect((await login('alice', confirmAs('sub-alice', 'remember'))).entered).toBe('alice')
  const next = await login('alice', () => undefined)
  expect([next.entered, next.prompts, next.reasons[0]]).toEqual(['alice', 0, 'weblogin-approved'])
  const sudo = await onScreen(lab, ['sudo', 'id', '-un'], { user: 'alice', type: confirmAs('sub-alice') })
  expect([sudo.addresses.length, sudo.output.trim().split('\n').at(-1)]).toEqual([1, 'root'])
  await lab.need('ob weblogin revoke alice')
  expect((await login('alice', confirmAs('sub-alice'))).prompts).toBe(1)
  configure('weblogin = portal\n')
})

lab_test('the page gives somebody else no code, and “this was not me” ends the login', async () => {
  const other = await login('alice', async ({ address, prompt }) => {
    if (prompt > 1) return undefined
    expect(await elsewhere('look', address, 'sub-bob')).not.toMatch(/[B-Z]{3}-[B-Z]{3}-[B-Z]{3}/)
    return 'BCD-FGH-JKL'
  })
  expect(other.entered).toBeUndefined()
  const refused = await login('alice', async ({ address }) => {
    await elsewhere('refuse', address, 'sub-alice')
    return 'BCD-FGH-JKL'
  })
  expect([refused.entered, refused.addresses.length, refused.reasons[1]]).toEqual([undefined, 1, 'weblogin-refused'])
})

lab_test('sudo: who is in no list of it gets none, whatever the page says', async () => {
  expect((await login('bob', confirmAs('sub-bob'))).entered).toBe('bob')
  const sudo = await onScreen(lab, ['sudo', 'id', '-un'], { user: 'bob', type: confirmAs('sub-bob') })
  expect([sudo.addresses.length, /^root$/m.test(sudo.output)]).toEqual([1, false])
})

lab_test('the service is killed between the address and the code, and comes back: the code still counts', async () => {
  const seen = await login('alice', async (screen) => {
    const code = await confirmAs('sub-alice')(screen)
    await elsewhere('restart')
    return code
  })
  expect(seen.entered).toBe('alice')
})

lab_test('the web login alone, and a host that speaks to it as pam-weblogin does', async () => {
  await lab.setStack('f')
  expect((await login('alice', confirmAs('sub-alice'), [])).entered).toBe('alice')
  await lab.setStack('k')
  configure(`weblogin = pam-weblogin\nweblogin_url = ${site.base}/pam-weblogin\nweblogin_allow = alice\n`)
  const seen = await login('alice', confirmAs('sub-alice'))
  expect(seen.entered).toBe('alice')
  configure('weblogin = portal\n')
})

lab_test('a service that is gone lets nobody in', async () => {
  await elsewhere('stopService')
  const seen = await login('alice', () => undefined)
  expect([seen.entered, seen.reasons[0]]).toEqual([undefined, 'weblogin-unreachable'])
})
