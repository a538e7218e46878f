// A shell on a terminal that stays open: a test types a line when it likes, and reads what came of it.
import type { Lab } from './lab.ts'
import { environment } from './namespace.ts'

export type ShellSession = {
  /** Everything that the terminal showed, from its start. */
  readonly shown: () => string
  /** Types the line and returns what the terminal showed until the next prompt of the shell; answers to programs that
   *  ask for one on the way are typed in their order. */
  readonly type: (line: string, answers?: readonly string[]) => Promise<string>
  /** Leaves the shell. */
  readonly leave: () => Promise<void>
}

const limit = 60_000

/** Starts the program in the lab, as root, and waits for the first prompt (`$ `). */
export async function openShell(lab: Lab, argv: readonly string[]): Promise<ShellSession> {
  let output = ''
  let read = 0
  let notify = (): void => undefined
  const child = Bun.spawn(lab.space.command(argv), {
    env: { ...environment({}), TERM: 'dumb' },
    timeout: 4 * limit,
    killSignal: 'SIGKILL',
    terminal: {
      columns: 120,
      rows: 40,
      data(_terminal: Bun.Terminal, bytes: Uint8Array) {
        output += new TextDecoder().decode(bytes)
        notify()
      },
    } as Bun.TerminalOptions,
  })
  const fresh = () => output.slice(read)
  /** Waits until something that ends like this was shown since the last thing that was typed. */
  async function until(ending: RegExp): Promise<string> {
    const deadline = performance.now() + limit
    while (!ending.test(fresh())) {
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`no prompt came: ${output}`)
      await new Promise<void>((resolve) => {
        notify = resolve
        setTimeout(resolve, 200)
      })
    }
    return fresh().replaceAll('\r\n', '\n')
  }
  const write = (line: string): void => {
    read = output.length
    child.terminal?.write(`${line}\n`)
  }
  await until(/\$ $/)
  return {
    shown: () => output.replaceAll('\r\n', '\n'),
    type: async (line, answers = []) => {
      write(line)
      let text = ''
      for (const answer of answers) {
        text += await until(/(?:password|token|login)[^\n]*: $/i)
        write(answer)
      }
      return text + (await until(/\$ $/))
    },
    leave: async () => {
      write('exit')
      await child.exited
    },
  }
}
