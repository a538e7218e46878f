// `ob serve` in a lab, for tests and for the demo.
import type { Lab } from './lab.ts'
import { environment } from './namespace.ts'

export type Service = {
  /** The process inside; the one that the test started is nsenter. */
  readonly pid: () => Promise<string>
  /** Goes on after SIGSTOP. nsenter stops with its child, and does not go on with it. */
  readonly resume: () => Promise<void>
  readonly stop: (signal?: string) => Promise<void>
}

/** `ob serve` in the lab, listening at this path. */
export async function startServe(lab: Lab, path: string): Promise<Service> {
  const served = Bun.spawn(lab.space.command(['/usr/sbin/ob', 'serve']), {
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
    env: environment({}),
  })
  const pid = async (): Promise<string> => (await lab.need("pgrep -x -f '/usr/sbin/ob serve'")).trim()
  const resume = async (): Promise<void> => {
    await lab.need(`kill -CONT ${await pid()}`)
    served.kill('SIGCONT')
  }
  const stop = async (signal = 'TERM'): Promise<void> => {
    await resume()
    await lab.need(`kill -${signal} ${await pid()}`)
    await served.exited
  }
  for (let tries = 0; tries < 300; tries++) {
    if ((await lab.run(['test', '-S', path])).code === 0) return { pid, resume, stop }
    await Bun.sleep(10)
  }
  throw new Error('ob serve does not start')
}
