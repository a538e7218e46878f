// A person with a terminal and a browser: for tests of the web login on a real sshd.
import type { Lab } from './lab.ts'
import { environment } from './namespace.ts'

export const servicePort = 19555
export const credential = 'credential-of-this-host'

export type Web = {
  /** What the person or the service does; see test/weblogin/stand-in.ts. */
  readonly service: (verb: string, ...args: readonly unknown[]) => Promise<unknown>
  readonly stop: () => void
}

/** The stand-in service on the loopback of the lab. */
export async function startWeb(lab: Lab): Promise<Web> {
  const script = `${lab.space.repository}/test/weblogin/main.ts`
  const child = Bun.spawn(lab.space.command([lab.space.bun, script, String(servicePort), credential]), {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
    env: environment({}),
  })
  await child.stdout.getReader().read()
  const service = async (verb: string, ...args: readonly unknown[]): Promise<unknown> => {
    const code = `const r = await fetch('http://127.0.0.1:${servicePort}/control/${verb}', { method: 'POST', body: process.argv[1] }); console.log(await r.text())`
    const ran = await lab.space.run([lab.space.bun, '-e', code, JSON.stringify(args)])
    if (ran.code !== 0) throw new Error(`${verb}: ${ran.stderr}`)
    return JSON.parse(ran.stdout)
  }
  return { service, stop: () => child.kill('SIGKILL') }
}

export type Dialogue = {
  readonly code: number
  /** Everything that the terminal showed. */
  readonly output: string
  /** Addresses in the order they were shown. */
  readonly addresses: readonly string[]
  readonly prompts: number
}

export type Screen = {
  readonly output: string
  readonly address: string
  readonly handle: string
  readonly prompt: number
}

type Options = {
  readonly user?: string
  readonly columns?: number
  /** What is typed at each prompt; undefined: the person gives up. */
  readonly type: (screen: Screen) => Promise<string | undefined> | string | undefined
}

/** A program on a terminal; at each prompt the person looks at the screen, does something in the browser, and types. */
export async function onScreen(lab: Lab, argv: readonly string[], options: Options): Promise<Dialogue> {
  let output = ''
  let seen = 0
  let prompts = 0
  const addresses = (): readonly string[] => [...output.matchAll(/https?:\/\/\S+(?=\s)/gi)].map(([url]) => url)
  const child = Bun.spawn(lab.space.command(argv, { user: options.user ?? 'root' }), {
    env: { ...environment({ user: options.user ?? 'root' }), TERM: 'dumb' },
    timeout: 60_000,
    killSignal: 'SIGKILL',
    terminal: {
      columns: options.columns ?? 80,
      rows: 50,
      async data(terminal: Bun.Terminal, bytes: Uint8Array) {
        output += new TextDecoder().decode(bytes)
        if (!/(?:password)[^\n]*: $/i.test(output.slice(seen))) return
        seen = output.length
        const address = addresses().at(-1) ?? ''
        const screen = { output, address, handle: address.split('/').at(-1) ?? '', prompt: ++prompts }
        const answer = await options.type(screen)
        terminal.write(answer === undefined ? '\u0003' : `${answer}\n`)
      },
    } as Bun.TerminalOptions,
  })
  const code = await child.exited
  return { code, output: output.replaceAll('\r\n', '\n'), addresses: addresses(), prompts }
}

/** ssh to the host of the lab, as a person types it. */
export const sshCommand = (user: string, command: string, ...options: readonly string[]): readonly string[] => [
  ...['ssh', '-F', 'none', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
  ...['-o', 'LogLevel=INFO', ...options, `${user}@127.0.0.1`, command],
]
