// A host that Open Bastion's scripts set up moves here and back: logins, sudo and caches go on, and in the end every file
// is as the other program left it.
import { expect } from 'bun:test'
import { mintToken } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { itsFiles, keptPassword, leaveOpenBastion } from './open-bastion.ts'
import { inLab, startServe } from './suite.ts'

let lab: Lab

const labTest = inLab(
  { stack: 'e' },
  async (started) => {
    lab = started
    await leaveOpenBastion(lab)
  },
  120_000,
)

const sums = () => lab.need(`sha256sum ${itsFiles.join(' ')}; stat -c '%n %a %u:%g' ${itsFiles.join(' ')}`)
const account = (user: string) => lab.need(`grep ^${user}: /etc/passwd /etc/shadow`)
const certified = (user: string, command?: string) =>
  lab.ssh({ user, key: `/root/keys/${user}-certified`, ...(command === undefined ? {} : { command }) })

let before = ''

/** sshd takes a moment to read its configuration again. */
async function untilEntered(login: () => ReturnType<Lab['ssh']>): Promise<boolean> {
  for (let tries = 0; tries < 20; tries++) {
    if ((await login()).entered) return true
    await Bun.sleep(200)
  }
  return false
}

labTest('as it is, the configuration is refused with the command that mends it', async () => {
  before = `${await sums()}${await account('alice')}${await account('bob')}`
  const checked = await lab.run('ob config check')
  expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining('or run: ob config migrate')])
  const dry = await lab.run('ob config migrate --dry-run')
  expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining('+# token_rotate_refresh = true')])
  expect(dry.stdout).not.toContain('pamsecret')
})

labTest('setup says what stands in the way, and takes over when told', async () => {
  expect((await lab.run('ob setup --mode e --dry-run')).stdout).toContain('add --from-open-bastion')
  const dry = await lab.run('ob setup --from-open-bastion --dry-run')
  expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining('-AuthorizedPrincipalsCommand')])
  expect(`${await sums()}${await account('alice')}${await account('bob')}`).toBe(before)
  const done = await lab.run('ob setup --from-open-bastion --yes')
  expect([done.stderr, done.stdout, done.code]).toEqual(['', expect.stringContaining('mode e is in place'), 0])
})

labTest('a user whom the other program made logs in with the same uid and is adopted', async () => {
  expect(await untilEntered(() => certified('alice'))).toBe(true)
  expect((await certified('alice', 'id -u; id -nG')).stdout).toBe('45475\nusers open-bastion-sudo\n')
  expect(JSON.parse(await lab.need('ob nss show alice --json'))).toMatchObject({ uid: 45475, source: 'adopted' })
  expect(await lab.need('ob nss adopt --dry-run')).toBe(
    'bob: would be adopted, uid 47480\ncarol: would be adopted, uid 20311\n',
  )
})

labTest('with ob serve, which may not write /etc, a login adopts all the same', async () => {
  const serve = await startServe(lab, '/run/open-bastion/phases')
  expect(await untilEntered(() => certified('bob'))).toBe(true)
  await serve.stop()
  expect(JSON.parse(await lab.need('ob nss show bob --json'))).toMatchObject({ uid: 47480, source: 'adopted' })
  expect(await lab.need('ob nss adopt --dry-run')).toBe('carol: would be adopted, uid 20311\n')
  expect((await lab.run('ob nss verify')).stdout).toBe('registry and export agree\n')
})

labTest('sudo asks for a one-time token, although authorize_only is set', async () => {
  const done = await lab.sudo('alice', ['id', '-un'], [await mintToken(lab, 'alice')])
  expect([done.code, done.output]).toEqual([0, expect.stringContaining('\nroot\n')])
  const refused = await lab.sudo('bob', ['id', '-un'], [await mintToken(lab, 'bob')])
  expect(refused.code).not.toBe(0)
})

labTest('a portal user whom it never made gets into its group, and sudo', async () => {
  await lab.need('ob nss add nina')
  await lab.portal('setRules', { group: 'truth', ssh: ['alice', 'bob', 'nina'], sudo: ['alice', 'nina'] })
  await lab.need('ob nss refresh nina || :')
  await lab.need(`set -e; cd /root/keys; ssh-keygen -q -t ed25519 -N '' -f nina-certified
    ssh-keygen -q -s /root/authority -I nina -n nina -V +1h nina-certified.pub`)
  const fingerprint = (await lab.need('ssh-keygen -lf /root/keys/nina-certified.pub')).split(' ')[1]
  await lab.portal('addFingerprint', { user: 'nina', fingerprint })
  expect(await untilEntered(() => certified('nina'))).toBe(true)
  const groups = await lab.need('id -nG nina; getent group open-bastion-sudo')
  expect(groups).toMatch(/\bopen-bastion-sudo\b.*\nopen-bastion-sudo:x:1201:/)
  const done = await lab.sudo('nina', ['id', '-un'], [await mintToken(lab, 'nina')])
  expect([done.code, done.output]).toEqual([0, expect.stringContaining('\nroot\n')])
})

labTest('so does one with a group whose gid libnss-extrausers does not look at', async () => {
  const gid = (number: number) =>
    lab.need(`sed -i 's/^open-bastion-sudo:x:[0-9]*:/open-bastion-sudo:x:${number}:/' /etc/group`)
  await gid(120)
  await lab.need('ob nss export')
  const done = await lab.sudo('nina', ['id', '-un'], [await mintToken(lab, 'nina')])
  expect([done.code, done.output]).toEqual([0, expect.stringContaining('\nroot\n')])
  await gid(1201)
  await lab.need('ob nss export')
})

labTest('its service accounts come along, with key, ids and sudo', async () => {
  const switched = await lab.run('ob setup --mode c --yes')
  expect([switched.stderr, switched.code]).toEqual(['', 0])
  expect((await lab.run('ob service-account check')).stdout).toContain('nothing to mend')
  const deploy = (command: string) => lab.ssh({ user: 'deploy', key: '/root/keys/deploy', command })
  expect(await untilEntered(() => deploy('id -u; id -g; sudo -n id -un'))).toBe(true)
  expect((await deploy('id -u; id -g; sudo -n id -un')).stdout).toBe('9001\n9001\nroot\n')
})

labTest('while the portal is away its kept password and its cached answer count', async () => {
  const switched = await lab.run('ob setup --mode a --yes')
  expect([switched.stderr, switched.code]).toEqual(['', 0])
  await lab.need(`sed -i 's/^authorize_only = true/authorize_only = false/' /etc/open-bastion/openbastion.conf`)
  expect(await untilEntered(async () => lab.ssh({ user: 'alice', answers: [await mintToken(lab, 'alice')] }))).toBe(
    true,
  )
  await lab.cutNetwork()
  // carol was never here since: all that is known about her is what the other program kept.
  for (const user of ['carol', 'alice'] as const)
    expect([user, (await lab.ssh({ user, answers: [keptPassword(user)] })).entered]).toEqual([user, true])
  expect((await lab.ssh({ user: 'alice', answers: ['another word'] })).entered).toBe(false)
  expect(JSON.parse(await lab.need('ob nss show carol --json'))).toMatchObject({ uid: 20311, source: 'adopted' })
  await lab.restore()
  const doctor = await lab.run('ob doctor')
  expect(doctor.stdout).toContain('/etc/open-bastion/cache.key seals what is cached, and others can read it')
  await lab.need(`sed -i 's/^authorize_only = false/authorize_only = true/' /etc/open-bastion/openbastion.conf`)
})

labTest('the way back leaves every file as it was, and tokens and caches that the other program reads', async () => {
  const undone = await lab.run('ob setup undo')
  expect([undone.stderr, undone.stdout, undone.code]).toEqual(['', expect.any(String), 0])
  expect(`${await sums()}${await account('alice')}${await account('bob')}`).toBe(before)
  expect(await lab.need('grep ^open-bastion-sudo: /etc/group')).toBe('open-bastion-sudo:x:1201:alice,deploy\n')
  const token = JSON.parse(lab.text('/var/lib/open-bastion/token'))
  expect(token.refresh_token).not.toContain('sealed:')
  expect(await lab.need('grep -al ^OBCRED01 /var/cache/open-bastion/credentials/*.cred | wc -l')).toBe('2\n')
  expect(await lab.need('grep -al ^LLNGCACHE04 /var/cache/open-bastion/auth/*.authcache | wc -l')).toBe('4\n')
})
