// Other programs, with an environment of their own and an end.
import type { Exit, SpawnOptions } from '../../../src/base/world.ts'
import { codeOf } from '../files/errno.ts'

export function spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<Exit> {
  const { promise, resolve, reject } = Promise.withResolvers<Exit>()
  run(argv, options).then(resolve, reject)
  options.signal?.addEventListener('abort', () => resolve({ code: 137, stdout: '', stderr: '' }), { once: true })
  return promise
}

async function run(argv: readonly string[], options: SpawnOptions): Promise<Exit> {
  const child = start(argv, options)
  if ('code' in child) return child
  if (!(child.stdout instanceof ReadableStream) || !(child.stderr instanceof ReadableStream))
    return { code: await child.exited, stdout: '', stderr: '' }
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, stdout, stderr }
}

/** A program that cannot be started ends as in a shell (sh(1), exit status): 127 not found, 126 not executable. */
function start(argv: readonly string[], { stdin, signal, limit, terminal }: SpawnOptions) {
  try {
    return Bun.spawn([...argv], {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdin: typeof stdin === 'string' ? new TextEncoder().encode(stdin) : (stdin ?? (terminal ? 'inherit' : 'ignore')),
      stdout: terminal ? 'inherit' : 'pipe',
      stderr: terminal ? 'inherit' : 'pipe',
      killSignal: 'SIGKILL',
      ...(signal === undefined ? {} : { signal }),
      ...(limit === undefined ? {} : { maxBuffer: limit }),
    })
  } catch (error) {
    const problem = codeOf(error)
    if (problem === 'ENOENT') return { code: 127, stdout: '', stderr: `${argv[0]}: not found` }
    return { code: 126, stdout: '', stderr: `${argv[0]}: cannot be started (${problem})` }
  }
}
