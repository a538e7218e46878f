// `bun served.ts` in a mount namespace with a /run of its own: ob serve over a disk of plain values and real sockets.
// Prints one JSON object: what came of each step.
import { existsSync, mkdirSync } from 'node:fs'
import { mode } from '../../../modes/daemon/serve.ts'
import { formatRegistry } from '../../../src/accounts/registry-format.ts'
import { Fault } from '../../../src/base/fault.ts'
import { paths } from '../../../src/base/paths.ts'
import { formatCall } from '../../../src/userdb/varlink-format.ts'
import { type FakeWorld, fakeWorld } from '../../fakes/world.ts'

const conf = '/etc/open-bastion/openbastion.conf'
const configured = (lines: string): string => `portal_url = https://auth.example.test\ncreate_user = true\n${lines}`

function worldWith(lines: string): FakeWorld {
  const alice = { uid: 20001, gid: 20001, gecos: '', home: '/home/alice', shell: '/bin/bash', sudo: false, groups: [] }
  const users = new Map([['alice', { ...alice, source: 'portal', createdAt: 1, state: 'active' } as const]])
  return fakeWorld({
    files: {
      [conf]: configured(lines),
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
      '/etc/group': 'root:x:0:\n',
      '/var/lib/open-bastion/users.json': formatRegistry({ users, groups: new Map() }),
    },
  })
}

const outcomeOf = async (args: readonly string[], world: FakeWorld): Promise<string> => {
  try {
    const ending = await mode.run(args, world)
    return ending.kind === 'usage' ? `usage: ${ending.text}` : `${ending.outcome.kind} ${ending.outcome.reason}`
  } catch (error) {
    if (error instanceof Fault) return `${error.message} | ${error.hint}`
    throw error
  }
}

const userdb = '/run/systemd/userdb/io.openbastion'

/** What comes back, until the other side ends it or a whole message is there. */
function talk(path: string, message: Uint8Array): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let heard = ''
  Bun.connect({
    unix: path,
    socket: {
      open: (socket) => void socket.write(message),
      data: (socket, bytes) => {
        heard += new TextDecoder().decode(bytes)
        if (heard.endsWith('\0')) socket.end()
      },
      close: () => resolve(heard),
      error: () => resolve(heard),
    },
  }).catch((error: Error) => resolve(error.message))
  return promise
}

const lookUp = (userName: string): Promise<string> =>
  talk(
    userdb,
    formatCall({
      method: 'io.systemd.UserDatabase.GetUserRecord',
      parameters: { service: 'io.openbastion', userName },
      more: false,
    }),
  )

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(5)
}

async function reload(world: FakeWorld, lines: string): Promise<readonly string[]> {
  world.files.writeAtomic(conf, lines, { mode: 0o600 })
  const before = world.logged.length
  process.kill(process.pid, 'SIGHUP')
  await until(() => world.logged.length > before)
  return world.logged.slice(before)
}

for (const path of ['/run/open-bastion', '/run/systemd/userdb']) mkdirSync(path, { recursive: true })

async function refusals(): Promise<object> {
  return {
    arguments: await outcomeOf(['now'], worldWith('')),
    user: await outcomeOf([], { ...worldWith(''), userId: 1000 }),
    // Last: its lock is held until this process ends.
    nothing: await outcomeOf([], worldWith('serve_userdb = false\nserve_logins = false\n')),
    sockets: [userdb, paths.unlock].filter((path) => existsSync(path)),
  }
}

async function life(): Promise<object> {
  const world = worldWith('')
  const ended = outcomeOf([], world)
  await until(() => world.logged.length > 0)
  const found = {
    alice: await lookUp('alice'),
    nobody: await lookUp('nobody-here'),
    garbage: await talk(userdb, new TextEncoder().encode('no JSON\0')),
    second: await outcomeOf([], worldWith('')),
    unlockBefore: existsSync(paths.unlock),
    broken: await reload(world, 'portal_url = \n'),
    stillAlice: await lookUp('alice'),
    mended: await reload(world, configured('service_map = unlock=ssh\n')),
    unlockAfter: existsSync(paths.unlock),
    aliceAgain: await lookUp('alice'),
    recorded: world.disk.has(paths.served),
  }
  process.kill(process.pid, 'SIGTERM')
  const outcome = await ended
  const left = [userdb, paths.unlock].filter((path) => existsSync(path))
  return { ...found, outcome, left, recordedAfter: world.disk.has(paths.served) }
}

console.log(JSON.stringify(process.argv[2] === 'refusals' ? await refusals() : await life()))
process.exit(0)
