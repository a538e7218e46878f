// The dead man's switch of a set-up on a booted Debian: whatever keeps people out, the host goes back by itself, also when
// it was switched off meanwhile.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mintToken } from './enrolled.ts'
import { bootPackaged, differences, type PackagedHost, until } from './packaged.ts'
import { NotBooted } from './systemd.ts'

let host: PackagedHost
const booted = await bootPackaged().catch((error: unknown) => error)
if (booted instanceof NotBooted) console.error(`the tests of the switch are left out: ${booted.message}`)
else if (booted instanceof Error) throw booted
const onHost = (name: string, work: () => Promise<void>): void =>
  (booted instanceof NotBooted ? test.skip : test)(name, work, 240_000)

let before: ReadonlyMap<string, string>

beforeAll(async () => {
  if (booted instanceof NotBooted) return
  host = booted as PackagedHost
  await host.need(
    'useradd -m -s /bin/sh eve && install -D -o eve /root/.ssh/id_root.pub /home/eve/.ssh/authorized_keys',
  )
  await host.install()
  // The identity stays from here on, so a set-up takes a second.
  await host.setUp('a')
  await host.need('ob setup undo')
  before = await host.etc()
}, 120_000)
afterAll(async () => {
  await host?.stop()
})

const enters = async (user: string): Promise<boolean> => {
  const login = await host.ssh({ user, key: '/root/.ssh/id_root', command: 'id -un' })
  return login.stdout === `${user}\n`
}
const rootEnters = () => enters('root')
const entersByToken = async (user: string): Promise<boolean> =>
  (await host.ssh({ user, answer: await mintToken(host, user), command: 'id -un' })).stdout === `${user}\n`

const isDisarmed = async (): Promise<boolean> => (await host.run('ls /etc/systemd/system/ob-setup-*')).code !== 0

const goesBack = async (): Promise<void> => {
  expect(await host.state()).toBe('applied')
  await host.hurry()
  await until('the host is as before', async () => (await host.state()) === 'undone')
  await until('the switch is gone', isDisarmed)
  expect(differences(before, await host.etc())).toEqual([])
}

onHost('a mode in which nobody has what is asked for: the host goes back', async () => {
  expect((await host.setUp('c')).code).toBe(0)
  expect([await enters('eve'), await rootEnters()]).toEqual([false, true])
  await goesBack()
  // The way of before is open again.
  await until('eve enters', () => enters('eve'))
})

onHost('a stack that lets nobody in: the host goes back', async () => {
  expect((await host.setUp('a')).code).toBe(0)
  const module = (
    await host.need('ls /usr/lib/*/security/pam_exec.so /lib/*/security/pam_exec.so 2>/dev/null | head -1 || :')
  ).trim()
  await host.need(`mv ${module} ${module}.away`)
  expect([await entersByToken('nora'), await rootEnters()]).toEqual([false, true])
  await goesBack()
  await host.need(`mv ${module}.away ${module}`)
})

onHost('a portal that is lost: the host goes back', async () => {
  expect((await host.setUp('a')).code).toBe(0)
  host.cutPortal()
  expect([await entersByToken('nora'), await rootEnters()]).toEqual([false, true])
  await goesBack()
  host.restorePortal()
})

onHost(
  'rebooted before the time: it goes back at the time; switched off at the time: it goes back at the next boot',
  async () => {
    expect((await host.setUp('a')).code).toBe(0)
    await host.reboot()
    expect(await host.state()).toBe('applied')
    expect((await host.run(['systemctl', 'is-active', 'ob-setup-revert.timer'])).stdout).toBe('active\n')
    await goesBack()
    expect((await host.setUp('a')).code).toBe(0)
    await host.hurry()
    await host.cutPower()
    await goesBackAlone()
  },
)

const goesBackAlone = async (): Promise<void> => {
  await until('the host is as before', async () => (await host.state()) === 'undone')
  await until('the switch is gone', isDisarmed)
  expect(differences(before, await host.etc())).toEqual([])
}

onHost('a login by the new way is enough: it stays, also over a reboot', async () => {
  expect((await host.setUp('a')).code).toBe(0)
  expect(await entersByToken('nora')).toBe(true)
  await host.hurry()
  await until('it is confirmed', async () => (await host.state()) === 'confirmed')
  await until('the switch is gone', isDisarmed)
  await host.reboot()
  await until('nora enters', () => entersByToken('nora'))
})

onHost('a change of the mode that nobody confirms goes back to the mode before', async () => {
  const inModeA = await host.etc()
  const changed = await host.setUp('c')
  expect([changed.code, changed.output]).toEqual([0, expect.stringContaining('goes back to mode a in 10 minutes')])
  await host.hurry()
  await until('mode a counts', async () => (await host.state()) === 'confirmed')
  await until('the switch is gone', isDisarmed)
  expect(differences(inModeA, await host.etc())).toEqual([])
  await until('nora enters', () => entersByToken('nora'))
  await host.need('ob setup undo')
  expect(differences(before, await host.etc())).toEqual([])
})
