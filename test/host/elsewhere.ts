// Starts what is elsewhere when a person logs in to the host of a lab (web-site.ts), and speaks to it.
import type { Lab } from './lab.ts'
import { environment } from './namespace.ts'

const port = 19666

export type Elsewhere = {
  /** What is done at the service, at the provider, or in the browser. */
  readonly ask: (verb: string, ...words: readonly string[]) => Promise<unknown>
  /** Lines of openbastion.conf that a host needs in order to reach the service. */
  readonly settings: string
  readonly base: string
  readonly stop: () => Promise<void>
}

/** The service knows the host of the lab as a member of this group. */
export async function startElsewhere(lab: Lab, group: string): Promise<Elsewhere> {
  // What a browser leaves behind belongs to the lab, and goes with it.
  const temporary = `${lab.space.scratch}/elsewhere`
  await lab.need(`mkdir -p ${temporary}`)
  const script = `${lab.space.repository}/test/host/web-site.ts`
  const site = Bun.spawn(lab.space.command([lab.space.bun, script, String(port), 'lab', group]), {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
    env: environment({ env: { TMPDIR: temporary } }),
  })
  const started = await site.stdout.getReader().read()
  if (started.done) throw new Error('the web service and its provider do not start')
  const ask = async (verb: string, ...words: readonly string[]): Promise<unknown> => {
    const code = `const r = await fetch('http://127.0.0.1:${port}/${verb}', { method: 'POST', body: process.argv[1] }); const t = await r.text(); if (!r.ok) throw new Error(t); console.log(t)`
    const ran = await lab.space.run([lab.space.bun, '-e', code, JSON.stringify(words)])
    if (ran.code !== 0) throw new Error(`${verb}: ${/^error: (.*)/m.exec(ran.stderr)?.[1] ?? ran.stderr}`)
    return JSON.parse(ran.stdout)
  }
  const { base, credential, ca } = (await ask('facts')) as Readonly<Record<string, string>>
  return {
    ask,
    base: base!,
    settings: `weblogin_url = ${base}\nweblogin_token = ${credential}\nweblogin_ca_cert = ${ca}\n`,
    stop: async () => {
      await ask('stop')
      await site.exited
    },
  }
}
