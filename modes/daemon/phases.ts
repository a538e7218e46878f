// PAM phases that `ob serve` decides for processes of root, each as that process would: the same code, with the
// caller's environment. One that is slow, fails or never ends is not seen by another.
import { accessSync, constants } from 'node:fs'
import type { Socket } from 'bun'
import { correlationId } from '../../src/audit/event-format.ts'
import { concat } from '../../src/base/bytes.ts'
import { unavailable } from '../../src/base/outcome.ts'
import { isPlaceholder, withoutEnd } from '../../src/base/pam-answer.ts'
import { dirname, paths } from '../../src/base/paths.ts'
import type { NativeArgon2, World } from '../../src/base/world.ts'
import { type Config, configPath } from '../../src/config/load.ts'
import { isPhase, type Phase } from '../../src/login/event-policy.ts'
import { formatDecided, parseAnswer, said, workingMilliseconds } from '../../src/login/served-format.ts'
import { openTurns } from '../../src/userdb/one-question.ts'
import { finish } from '../run/finish.ts'
import { ended } from '../run/mode.ts'
import { phaseEntry } from '../run/pam-modes.ts'
import { codeOf } from '../world/files/errno.ts'
import { keptFetch } from '../world/io/kept-fetch.ts'
import { callerOf, type Listener, listenAt } from '../world/io/unix-socket.ts'
import { isThisProgram, seesFile } from '../world/process/peer.ts'
import { LeftToCaller, servedWorld } from '../world/served-world.ts'
import { argon2, type Environment, environmentOf } from '../world/system.ts'

export type PhaseListener = Listener & {
  /** Ends when the decisions that are under way ended. */
  readonly idle: () => Promise<unknown>
}

type Call = {
  readonly pid: number
  readonly phase: Phase
  readonly environment: Environment
  received: Uint8Array<ArrayBuffer>
  asked: boolean
}

/** The caller sends what was typed at once; stopped in between, it decides by itself. */
const answerSeconds = 5
/** More than sshd lets begin at once (MaxStartups) and sudo together. */
const mostCalls = 1_024

/** Undefined where logins are left to their own processes. */
export function listenForPhases(world: World, config: Config): PhaseListener | undefined {
  if (!config.serve_logins) return undefined
  const directory = writtenBy(config).find((path) => !isWritable(path))
  if (directory === undefined) return listen(world)
  const remedy = `systemctl edit ob-serve, and there [Service], ReadWritePaths=${directory}`
  world.syslog('warning', `every login decides by itself: ob serve may not write to ${directory} (${remedy})`)
  return undefined
}

/** The directories in which a phase writes. */
const writtenBy = (config: Config): readonly string[] => [
  paths.run,
  paths.state,
  dirname(config.audit_log_file),
  config.rate_limit_state_dir,
  config.auth_cache_dir,
  config.cache_dir,
  config.offline_cache_dir,
]

/** Or can be made there: the unit of ob serve lets it write in some places only. */
function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return true
  } catch (error) {
    return codeOf(error) === 'ENOENT' && directory !== '/' && isWritable(dirname(directory))
  }
}

function listen(world: World): PhaseListener {
  const underWay = new Set<Promise<void>>()
  let calls = 0
  const listener = listenAt<Call | undefined>(
    paths.phases,
    {
      open(socket) {
        calls++
        socket.data = calls > mostCalls ? undefined : callOf(callerOf(socket))
        socket.timeout(answerSeconds)
        if (socket.data === undefined) socket.end(letter(said.yourself))
        else socket.write(letter(socket.data.phase === 'auth' ? said.wantsAnswer : said.ready))
      },
      data(socket, bytes) {
        const call = socket.data
        if (call === undefined || call.asked) return void socket.terminate()
        call.received = concat(call.received, bytes)
        const answer = parseAnswer(call.received)
        if (answer === 'more') return
        if (answer === undefined) return void socket.terminate()
        call.asked = true
        socket.timeout(0)
        const work = answerTo(socket, call, answer, world)
        underWay.add(work)
        work.finally(() => underWay.delete(work))
      },
      timeout: (socket) => void socket.terminate(),
      close: () => void calls--,
      error: (socket) => void socket.terminate(),
    },
    { mode: 0o600, finishes: true },
  )
  return { ...listener, idle: () => Promise.allSettled(underWay) }
}

const letter = (code: number): Uint8Array<ArrayBuffer> => Uint8Array.of(code)

/** A second sshd may have files of its own in their place. */
const decidesBy = [configPath, '/etc/passwd']

/** Undefined: this caller must decide by itself. */
function callOf(peer: ReturnType<typeof callerOf>): Call | undefined {
  if (peer?.uid !== 0 || !isThisProgram(peer.pid)) return undefined
  if (!decidesBy.every((path) => seesFile(peer.pid, path))) return undefined
  try {
    const environment = environmentOf(peer.pid)
    const phase = environment.values['PAM_TYPE'] ?? ''
    if (!isPhase(phase)) return undefined
    return { pid: peer.pid, phase, environment, received: new Uint8Array(), asked: false }
  } catch {
    return undefined
  }
}

async function answerTo(socket: Socket<Call | undefined>, call: Call, answer: Uint8Array<ArrayBuffer>, host: World) {
  const working = setInterval(() => socket.write(letter(said.working)), workingMilliseconds)
  try {
    const decided = await decide(call, answer, () => void socket.write(letter(said.spends)))
    socket.end(decided === undefined ? letter(said.yourself) : formatDecided(decided))
  } catch (error) {
    // A bug: its message could quote a secret.
    host.syslog('err', `a ${call.phase} phase could not be decided (${error instanceof Error ? error.name : 'error'})`)
    socket.end(letter(said.yourself))
  } finally {
    clearInterval(working)
    answer.fill(0)
    call.received.fill(0)
  }
}

async function decide({ phase, pid, environment }: Call, answer: Uint8Array<ArrayBuffer>, beforeClaim: () => void) {
  // A name that sshd did not know: an account may have to be made.
  if (phase === 'auth' && isPlaceholder(withoutEnd(answer))) return undefined
  const { signal: deadline, stop } = deadlineAfter(phase)
  try {
    const { mode } = await phaseEntry(phase).load()
    const own = { argon2: argon2InTurn, fetch, takenOnce, beforeClaim }
    const served = servedWorld({ pid, environment, answer, deadline, ...own })
    let isLeft = false
    const status = await finish('pam', served.world, () =>
      mode.run([], served.world).catch((error) => {
        if (!(error instanceof LeftToCaller)) throw error
        isLeft = true
        return ended(unavailable('fault'))
      }),
    )
    return isLeft ? undefined : { status, text: served.said() }
  } finally {
    stop()
  }
}

/** src/shell/records.ts, src/gpg/passed.ts */
const takenOnce = (seed: string): readonly string[] => {
  const connection = correlationId(seed)
  return [`${paths.proven}/${connection}.json`, `${paths.gpgPassed}/${connection}`]
}

/** As in a process of its own: two seconds before that one would end. */
function deadlineAfter(phase: Phase) {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), (phaseEntry(phase).deadlineSeconds - 2) * 1000)
  return { signal: controller.signal, stop: () => clearTimeout(timer) }
}

const fetch = keptFetch(() => performance.now())

/** With Argon2id a decision takes 64 MiB and a processor. */
const turns = openTurns(2, mostCalls)

const argon2InTurn: NativeArgon2 = async (password, how) => {
  await turns.take()
  try {
    return await argon2(password, how)
  } finally {
    turns.give()
  }
}
