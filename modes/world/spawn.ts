// Other programs, with an environment of their own and an end.
import type { Exit, SpawnOptions } from '../../src/world.ts'

export function spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<Exit> {
  const { promise, resolve, reject } = Promise.withResolvers<Exit>()
  run(argv, options).then(resolve, reject)
  options.signal?.addEventListener('abort', () => resolve({ code: 137, stdout: '', stderr: '' }), { once: true })
  return promise
}

async function run(argv: readonly string[], options: SpawnOptions): Promise<Exit> {
  const child = start(argv, options)
  // As a shell says it (sh(1), exit status).
  if (!child) return { code: 127, stdout: '', stderr: `${argv[0]}: not found` }
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, stdout, stderr }
}

function start(argv: readonly string[], { stdin, signal, limit }: SpawnOptions) {
  try {
    return Bun.spawn([...argv], {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdin: typeof stdin === 'string' ? new TextEncoder().encode(stdin) : (stdin ?? 'ignore'),
      stdout: 'pipe',
      stderr: 'pipe',
      killSignal: 'SIGKILL',
      ...(signal === undefined ? {} : { signal }),
      ...(limit === undefined ? {} : { maxBuffer: limit }),
    })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
