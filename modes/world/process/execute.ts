// Another program in place of this one: same process, same terminal, same parent.
import { Fault } from '../../../src/base/fault.ts'
import { bind, hint, ptr } from '../io/ffi.ts'
import { readProc } from './proc.ts'

export type Program = {
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly directory: string
}

const RLIMIT_NOFILE = 7
/** signal(7); the runtime ignores or handles some, and an ignored signal stays ignored in the next program. */
const lastSignal = 64
const [SIGKILL, SIGSTOP] = [9, 19]
const SIG_SETMASK = 2
/** sigset_t of the C library, in bytes. */
const signalSet = 128

const open = () =>
  bind({
    execve: { args: ['ptr', 'ptr', 'ptr'], returns: 'i32' },
    signal: { args: ['i32', 'i64'], returns: 'i64' },
    sigprocmask: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
    setrlimit: { args: ['i32', 'ptr'], returns: 'i32' },
  })

/** Never returns: the program runs, or a Fault says why not. */
export function execute({ argv, env, directory }: Program): never {
  const libc = open()
  if (!libc) throw new Fault(`${argv[0]} cannot be started in place of this program`, { hint })
  process.chdir(directory)
  const limit = openFilesOf(process.ppid)
  if (limit) libc.setrlimit(RLIMIT_NOFILE, ptr(limit))
  for (let signal = 1; signal <= lastSignal; signal++)
    if (signal !== SIGKILL && signal !== SIGSTOP) libc.signal(signal, 0n)
  libc.sigprocmask(SIG_SETMASK, ptr(new Uint8Array(signalSet)), null)
  const [program, ...texts] = [argv[0], ...argv, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)].map(
    (text) => new TextEncoder().encode(`${text}\0`),
  )
  const addresses = texts.map((bytes) => BigInt(ptr(bytes)))
  const arguments_ = BigUint64Array.from([...addresses.slice(0, argv.length), 0n])
  const environment = BigUint64Array.from([...addresses.slice(argv.length), 0n])
  libc.execve(ptr(program!), ptr(arguments_), ptr(environment))
  throw new Fault(`${argv[0]} cannot be started`)
}

/** The runtime raises the limit of open files for itself; the caller's is the person's (proc_pid_limits(5)). */
function openFilesOf(pid: number): BigUint64Array | undefined {
  const match = /^Max open files +(\d+) +(\d+)/m.exec(readProc(`/proc/${pid}/limits`))
  return match ? BigUint64Array.from([BigInt(match[1]!), BigInt(match[2]!)]) : undefined
}
