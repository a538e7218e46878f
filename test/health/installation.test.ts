// The directories of ob: whose they are, and whether the file systems on which they lie have room.
import { expect, test } from 'bun:test'
import { checkConfig } from '../../src/config/load.ts'
import { judgeDirectories } from '../../src/health/installation.ts'
import { fakeWorld } from '../fakes/world.ts'

const checked = checkConfig(
  'portal_url = https://auth.example.test\nclient_id = a\nclient_secret = b\nserver_group = c\n',
)
if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
const { config } = checked

/** What is mounted, and what is left there: [KiB, inodes]. */
type Mounts = Readonly<Record<string, readonly [number, number]>>

/**
 * A df(1) that prints the mounts of the directories that it is asked about, and without one all, as the real one does.
 */
function df(mounts: Mounts, [, option = '', ...asked]: readonly string[]): string {
  const of = (path: string): string =>
    Object.keys(mounts)
      .filter((mount) => mount === '/' || path === mount || path.startsWith(`${mount}/`))
      .sort((a, b) => b.length - a.length)[0]!
  const shown = asked.length === 0 ? Object.keys(mounts) : asked.map(of)
  const lines = shown.map((mount) => `dev 5000000 1 ${mounts[mount]![option === '-Pk' ? 0 : 1]} 1% ${mount}`)
  return `Filesystem 1024-blocks Used Available Capacity Mounted on\n${lines.join('\n')}\n`
}

const installed = {
  '/var/lib/open-bastion/token': '',
  '/run/open-bastion/serve.json': '',
  '/var/log/open-bastion/audit.json': '',
}

async function judge(mounts: Mounts, files: Readonly<Record<string, string>> = installed) {
  const world = fakeWorld({
    files,
    spawn: (argv) => (argv[0] === 'df' ? { code: 0, stdout: df({ '/': plenty, ...mounts }, argv) } : { code: 127 }),
  })
  return (await judgeDirectories(world, config)).map(({ verdict, message }) => `${verdict} ${message}`)
}

const plenty = [4_000_000, 300_000] as const
const sound = ['good state and log directories belong to root and have room']

test('a full mount on which ob has nothing is none of its business', async () => {
  const elsewhere = { '/mnt/cdrom': [0, 0], '/home': [0, 10], '/run/user/1000': [0, 300_000] } as const
  expect(await judge(elsewhere)).toEqual(sound)
})

test('that is so too on a host where no directory of ob is there yet', async () => {
  expect(await judge({ '/mnt/cdrom': [0, 0] }, {})).toEqual(sound)
})

test.each(['/', '/var', '/var/lib', '/var/lib/open-bastion', '/run', '/var/log'])(
  'a full %s, where ob writes, is bad: once, also when bytes and inodes are gone',
  async (mount) => {
    expect(await judge({ [mount]: [12, 300_000] })).toEqual([`bad ${mount} has no room left (12 KiB)`])
    expect(await judge({ [mount]: [4_000_000, 3] })).toEqual([`bad ${mount} has no inodes left (3)`])
    expect(await judge({ [mount]: [12, 3] })).toEqual([`bad ${mount} has no room left (12 KiB)`])
  },
)

test('the disk on which a directory will be made is judged before it is there', async () => {
  expect(await judge({ '/var': [0, 0] }, { '/var/lib/other': '' })).toEqual(['bad /var has no room left (0 KiB)'])
})
