// What every file of host tests begins and ends with: a lab of its own, or a word on why there is none.
import { afterAll, beforeAll, test } from 'bun:test'
import { type Lab, type LabOptions, refusal, startLab } from './lab.ts'
import { environment } from './namespace.ts'
import { startServe } from './serve.ts'

const refused = refusal()
if (refused !== undefined) console.error(`host tests are skipped: ${refused}`)

/** Whether there is a lab in which tests run. */
export const hasLab = refused === undefined

/** OB_PROGRAM names another program to test than dist/ob. */
const program = process.env['OB_PROGRAM']

/** OB_SERVED=1 runs the suite with `ob serve` beside it: each decision must be the same. */
export const isServed = process.env['OB_SERVED'] === '1'

// A limit ends what hangs. It says nothing about how fast a machine is that runs other suites beside this one.
const patience = 4

/** Starts a lab before the tests of the calling file and ends it after them; returns `test` for those that need it. */
export function inLab(
  options: LabOptions,
  prepare: (lab: Lab) => Promise<void>,
  limit = 60_000,
): (name: string, work: () => Promise<void>) => void {
  let lab: Lab | undefined
  beforeAll(async () => {
    if (!hasLab) return
    lab = await startLab(program === undefined ? options : { program, ...options })
    await prepare(lab)
    if (isServed) await startServe(lab, '/run/open-bastion/phases')
  }, 120_000 * patience)
  afterAll(async () => {
    await lab?.stop()
  })
  return (name, work) => (hasLab ? test : test.skip)(name, work, limit * patience)
}

export { type Service, startServe } from './serve.ts'

/** What was said to syslog since listenToSyslog. */
export const syslog = '/run/syslog'

/** Gives the lab a /dev/log of its own. */
export async function listenToSyslog(lab: Lab): Promise<void> {
  await lab.need(privateDev)
  Bun.spawn(
    lab.space.command([lab.space.bun, `${lab.space.repository}/test/host/syslog-listener.ts`, '/dev/log', syslog]),
    { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit', env: environment({}) },
  )
  await lab.need('while [ ! -S /dev/log ]; do sleep 0.01; done; chmod 0666 /dev/log')
}

// The machine's /dev is shared with it; a socket there would be everybody's.
const privateDev = `set -e
  mkdir /run/dev && mount -t tmpfs -o mode=0755 lab /run/dev
  cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx /run/dev/
  for link in fd stdin stdout stderr; do cp -a /dev/$link /run/dev/ 2>/dev/null || :; done
  mkdir /run/dev/pts /run/dev/shm && mount --rbind /dev/pts /run/dev/pts && mount --move /run/dev /dev`
