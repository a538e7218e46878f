// A power cut at any moment of a set-up, of its confirmation, of the way back and of an upgrade: the old state or the new one.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { apt, bootPackaged, differences, type PackagedHost, until, versions } from './packaged.ts'
import { NotBooted } from './systemd.ts'

let host: PackagedHost
const booted = await bootPackaged([versions.first, versions.second]).catch((error: unknown) => error)
if (booted instanceof NotBooted) console.error(`the tests of power cuts are left out: ${booted.message}`)
else if (booted instanceof Error) throw booted
const onHost = (name: string, work: () => Promise<void>): void =>
  (booted instanceof NotBooted ? test.skip : test)(name, work, 240_000)

let before: ReadonlyMap<string, string>

beforeAll(async () => {
  if (booted instanceof NotBooted) return
  host = booted as PackagedHost
  await host.install()
  // The identity stays from here on, so a set-up takes a second.
  await host.setUp('a')
  await host.need('ob setup undo')
  before = await host.etc()
}, 120_000)
afterAll(async () => {
  await host?.stop()
})

const rootEnters = async (): Promise<boolean> =>
  (await host.ssh({ user: 'root', key: '/root/.ssh/id_root', command: 'id -un' })).stdout === 'root\n'

/** Begins a command and cuts the power so many milliseconds later. */
async function cutDuring(argv: readonly string[], milliseconds: number): Promise<void> {
  const running = host.run(argv)
  await Bun.sleep(milliseconds)
  await host.cutPower()
  await running
}

onHost('what was killed in the middle is taken back at boot, before sshd starts', async () => {
  // It waits for an approval that never comes: every file is written, and sshd was not told.
  await host.need('mv /var/lib/open-bastion/token /root/token')
  const running = host.run(host.setUpArgv('a'))
  await until('the files are written', async () => (await host.state()) === 'applying')
  await host.cutPower()
  await running
  await until('root enters', rootEnters)
  expect([await host.state(), differences(before, await host.etc())]).toEqual(['undone', []])
  // sshd read what was put back, and not what nobody had tested.
  await host.need('test /run/sshd.pid -nt /etc/nsswitch.conf')
  await host.need('mv /root/token /var/lib/open-bastion/token')
})

onHost('a power cut in a set-up, a confirmation or the way back: the old state or the new one', async () => {
  const rounds: readonly (readonly [argv: readonly string[], moments: readonly number[]])[] = [
    [host.setUpArgv('a'), [150, 400]],
    [['ob', 'setup', 'confirm'], [80]],
    [['ob', 'setup', 'undo'], [120]],
    [['ob', 'uninstall', '--yes'], [100]],
  ]
  for (const [argv, moments] of rounds)
    for (const moment of moments) {
      if (!argv.includes('--mode')) expect((await host.setUp('a')).code).toBe(0)
      await cutDuring(argv, moment)
      await until('root enters', rootEnters)
      const state = await host.state()
      expect(['none', 'applied', 'confirmed', 'undone']).toContain(state)
      await host.need('ob setup undo')
      expect([argv, moment, state, differences(before, await host.etc())]).toEqual([argv, moment, state, []])
    }
})

onHost('a power cut in an upgrade: dpkg goes on where it was, and the set-up is what it was', async () => {
  expect((await host.setUp('a')).code).toBe(0)
  await host.need('ob setup confirm')
  const inModeA = await host.etc()
  const install = apt('install', `/root/packages/ob_${versions.second}_amd64.deb`)
  await cutDuring(['sh', '-c', install], 1200)
  await until('root enters', rootEnters)
  expect(await host.state()).toBe('confirmed')
  await host.need(`dpkg --configure -a && ${install}`)
  expect(differences(inModeA, await host.etc())).toEqual([])
  await host.need('ob uninstall --yes')
  expect(differences(before, await host.etc())).toEqual([])
})
