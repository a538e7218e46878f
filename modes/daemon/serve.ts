// The only long-lived process: the user database for nss-systemd, PAM phases of root (phases.ts), and the sockets for
// screen lockers and ob proxy. It opens its sockets itself and answers NSS from memory. Only the first login of a user
// who was never here needs it.
import { constants, openSync } from 'node:fs'
import type { Socket } from 'bun'
import { Fault, orElse } from '../../src/base/fault.ts'
import { allowed } from '../../src/base/outcome.ts'
import { unlockService } from '../../src/base/pam-service.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { openHops } from '../../src/bastion/service.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import type { QuestionConversation, Questions } from '../../src/userdb/one-question.ts'
import { serviceName } from '../../src/userdb/protocol.ts'
import { configStamp, noteServedConfig } from '../../src/userdb/served-config.ts'
import { type Conversation, openUserdb, type Userdb } from '../../src/userdb/service.ts'
import { openUnlock } from '../../src/userdb/unlock.ts'
import { openUserIndex } from '../../src/userdb/user-index.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'
import { sendDatagram } from '../world/io/datagram.ts'
import { callerOf, type Listener, listenAt } from '../world/io/unix-socket.ts'
import { tryLock } from '../world/process/libc.ts'
import { needPeers, peerProcesses } from '../world/process/peer.ts'
import { listenForPhases, type PhaseListener } from './phases.ts'

const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants

export const mode: Mode = {
  run: async (args, world) => {
    if (args.length > 0) return usage('serve takes no arguments')
    if (world.userId !== 0) throw new Fault('serve must be started by root')
    const config = loadConfig(world.files)
    if (!isWanted(config)) {
      // For systemd, a service that ends before it was ready has failed.
      notify(world, 'READY=1')
      return usage(`${nothing.message}: ${nothing.hint}`)
    }
    world.files.makeDirectory('/run/open-bastion', 0o755)
    needPeers()
    const lock = openSync(paths.serveLock, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
    if (!tryLock(lock)) throw new Fault('ob serve runs already', { hint: 'systemctl status ob-serve' })
    return serve(world, config)
  },
}

const isWanted = ({ serve_userdb, serve_hops, serve_logins, service_map }: Config): boolean =>
  serve_userdb || serve_hops || serve_logins || service_map.has(unlockService)

const nothing = {
  message: 'there is nothing to serve',
  hint:
    'set serve_userdb, serve_logins or serve_hops, or name unlock in service_map; ' +
    'or: systemctl disable --now ob-serve',
}

async function serve(world: World, config: Config): Promise<Ending> {
  Bun.unsafe.setJITPolicy?.(1)
  let serving = await open(world, config)
  let phases = listenForPhases(world, config)
  notify(world, 'READY=1')
  const stopped = termination()
  process.on('SIGHUP', () => {
    reload(world, serving).then((next) => {
      serving = next
      phases = followed(world, phases, next.config)
    })
  })
  const timers = [
    setInterval(() => serving.userdb.tick(), 1_000),
    setInterval(() => notify(world, 'WATCHDOG=1'), 5_000),
    setInterval(() => refresh(world, serving.userdb), 2_000),
  ]
  await stopped
  notify(world, 'STOPPING=1')
  for (const timer of timers) clearInterval(timer)
  for (const socket of serving.sockets) socket.close()
  phases?.close()
  await Promise.race([phases?.idle(), Bun.sleep(lastSeconds * 1000)])
  world.files.remove(paths.served)
  return ended(allowed('done'))
}

/** Decisions that are under way end first: less than TimeoutStopSec= of the unit. Seconds. */
const lastSeconds = 4

/** A phase reads the configuration itself; what can change is whether any is decided here. */
function followed(world: World, before: PhaseListener | undefined, config: Config): PhaseListener | undefined {
  const follow = (): PhaseListener | undefined => {
    const next = listenForPhases(world, config)
    // Its path is the new one's by now, or goes away with it.
    before?.close()
    return next
  }
  return orElse(follow, ({ message }) => {
    world.syslog('err', `logins are decided as before: ${message}`)
    return before
  })
}

type Serving = { readonly config: Config; readonly userdb: Userdb; readonly sockets: readonly Listener[] }

/** New sockets take the place of old ones; connections that are open end with the answers of before. */
async function open(world: World, config: Config): Promise<Serving> {
  const stamp = configStamp(world)
  const directory = openUserIndex(world, config)
  await directory.ready()
  const userdb = openUserdb({ world, config, directory, processes: peerProcesses })
  const sockets: Listener[] = []
  if (config.serve_userdb) sockets.push(listenForNss(world, userdb))
  if (config.service_map.has(unlockService))
    sockets.push(listenForQuestions(paths.unlock, openUnlock({ world, directory })))
  if (config.serve_hops) sockets.push(listenForQuestions(paths.hopSocket, openHops({ world, directory })))
  if (!isWanted(config)) throw new Fault(nothing.message, { hint: nothing.hint })
  noteServedConfig(world, process.pid, stamp)
  if (sockets.length > 0) world.syslog('info', `ob serve listens at ${sockets.map(({ path }) => path).join(' and ')}`)
  return { config, userdb, sockets }
}

/** A configuration that cannot be read changes nothing: the old one goes on, and ob status says so. */
async function reload(world: World, before: Serving): Promise<Serving> {
  try {
    const next = await open(world, loadConfig(world.files))
    // A socket whose path the new one took is not removed with it.
    for (const socket of before.sockets) socket.close()
    return next
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    world.syslog('err', `the configuration was not read again: ${error.message}`)
    return before
  }
}

// Signals only: systemd sends SIGTERM, a person Ctrl-C.
const termination = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })

/** sd_notify(3). Without systemd there is no receiver. */
function notify(world: World, text: string): void {
  const path = world.env['NOTIFY_SOCKET']
  if (path?.startsWith('/')) sendDatagram(path, new TextEncoder().encode(text))
}

let isRefreshing = false

// A process of its own: the portal may be slow, and writing accounts may take the disk a while.
async function refresh(world: World, userdb: Userdb): Promise<void> {
  const user = isRefreshing ? undefined : userdb.takeStale()
  if (user === undefined) return
  isRefreshing = true
  try {
    const { code, stderr } = await world.spawn(['/proc/self/exe', 'nss', 'refresh', user])
    if (code !== 0) world.syslog('info', `${user} could not be refreshed: ${stderr.trim().slice(0, 200)}`)
  } catch (error) {
    world.syslog('err', `${user} could not be refreshed: ${error instanceof Error ? error.name : 'unknown error'}`)
  } finally {
    isRefreshing = false
  }
}

type State = {
  conversation: Conversation | undefined
  pending: Iterator<Uint8Array>[]
  rest: Uint8Array
  last: boolean
}

const idleSeconds = 30
/** A locker, or ob proxy, sends its question at once. */
const questionSeconds = 5

function listenForNss(world: World, userdb: Userdb): Listener {
  world.files.makeDirectory(paths.userdb, 0o755)
  return listenAt<State>(`${paths.userdb}/${serviceName}`, {
    open(socket) {
      const peer = callerOf(socket)
      const conversation = peer && userdb.open(peer)
      socket.data = { conversation, pending: [], rest: new Uint8Array(), last: false }
      socket.timeout(idleSeconds)
      if (!conversation) socket.terminate()
    },
    data(socket, bytes) {
      const { conversation } = socket.data
      if (!conversation) return
      // A caller that does not read its answers gets no further ones.
      if (socket.data.pending.length > 64) return void socket.terminate()
      const { send, close } = conversation.receive(Uint8Array.from(bytes))
      socket.data.pending.push(send[Symbol.iterator]())
      socket.data.last ||= close
      socket.timeout(idleSeconds)
      pump(socket)
    },
    drain: pump,
    timeout: (socket) => void socket.terminate(),
    close: (socket) => socket.data?.conversation?.end(),
    error: (socket) => void socket.terminate(),
  })
}

function listenForQuestions(path: string, questions: Questions): Listener {
  return listenAt<QuestionConversation | undefined>(path, {
    open(socket) {
      const peer = callerOf(socket)
      socket.data = peer && questions.open(peer)
      socket.timeout(questionSeconds)
      if (!socket.data) socket.terminate()
    },
    data(socket, bytes) {
      const reply = socket.data?.receive(Uint8Array.from(bytes))
      if (reply === 'more') return
      socket.timeout(idleSeconds)
      if (reply === 'hang-up') socket.terminate()
      // A reply is short: it fits into the buffer of a socket that nothing was written to before.
      else
        reply?.then(
          (message) => socket.end(message),
          () => socket.terminate(),
        )
    },
    timeout: (socket) => void socket.terminate(),
    close: (socket) => socket.data?.end(),
    error: (socket) => void socket.terminate(),
  })
}

const repliesInOneGo = 64

/** Sends until the caller's buffer is full; a long list is interrupted so that others get their turn. */
function pump(socket: Socket<State>): void {
  const state = socket.data
  for (let count = 0; count < repliesInOneGo; count++) {
    if (state.rest.length === 0) {
      const next = nextReply(state)
      if (!next) {
        if (state.last) socket.end()
        return
      }
      state.rest = next
    }
    const written = socket.write(state.rest)
    if (written < 0) return
    state.rest = state.rest.subarray(written)
    if (state.rest.length > 0) return
  }
  setTimeout(() => pump(socket), 0)
}

function nextReply(state: State): Uint8Array | undefined {
  for (let first = state.pending[0]; first; first = state.pending[0]) {
    const next = first.next()
    if (!next.done) return next.value
    state.pending.shift()
  }
  return undefined
}
