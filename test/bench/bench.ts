// `npm run bench [-- ROUNDS]`: what a phase costs, next to what others cost, in one table of one run; whole logins:
// `npm run bench -- logins`. Times mean something only as ratios inside the table. Everything happens in a lab of its
// own; the machine is not touched.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from '../../packaging/build.ts'
import { configure, enroll, setRights } from '../host/enrolled.ts'
import { type Lab, startLab } from '../host/lab.ts'
import { measureCertificates } from './certificates.ts'
import { hopRatio, hopRows, measureHops } from './hop.ts'
import { benchLogins } from './logins.ts'
import { benchPortal } from './portal.ts'
import type { Measure, Plan, Row } from './runner.ts'

const root = resolve(import.meta.dir, '../..')
const user = 'alice'
/** Has a key that the administrator keeps; the rest is what sshd hands over as %t %k %f. */
const keyed = 'carol'
const offer = [
  'ssh-ed25519',
  'AAAAC3NzaC1lZDI1NTE5AAAAIKWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl',
  'SHA256:FORCE3CW+7qM4K3uWCS+OgbSnqQ3uIR8EHM8oN01QHw',
]
/** Logs in while the portal is away. */
const absent = 'bob'
const portalCa = '/etc/open-bastion/portal-ca.pem'
const control = 'http://127.0.0.1:19444/control'
const fewDescriptors = 1024
const systemdDescriptors = 524288

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const fetchScript = (url: string) => `#!/bin/dash
exec curl --silent --fail --output /dev/null --cacert ${portalCa} ${url}
`

/** The programs to compare with, made below the repository so that they are visible inside the lab. */
async function makePrograms(directory: string, url: string): Promise<void> {
  writeFileSync(join(directory, 'noop.c'), 'int main(void){return 0;}\n')
  const gcc = Bun.spawnSync(['gcc', '-static', '-O2', '-o', join(directory, 'c-noop'), join(directory, 'noop.c')])
  if (gcc.exitCode !== 0) throw new Error(`gcc cannot make a static program:\n${gcc.stderr}`)
  writeFileSync(join(directory, 'curl'), fetchScript(url), { mode: 0o755 })
  process.chdir(root)
  for (const name of ['noop', 'fetch', 'argon2']) {
    const program = join(directory, `bun-${name}`)
    await build(join(import.meta.dir, `programs/${name}.ts`), program)
    writeAnew(program, program)
  }
}

/**
 * In one write, as every program here that holds a Bun. The kernel keeps a file in pieces as large as they were
 * written, and maps them so: the same program starts in 3.6 or in 4.8 ms, and seems to take 28 or 20 MB.
 */
function writeAnew(from: string, to: string): void {
  const bytes = readFileSync(from)
  rmSync(to, { force: true })
  writeFileSync(to, bytes, { mode: 0o755 })
}

const pamEnvironment = (type: string): Readonly<Record<string, string>> => ({
  PAM_TYPE: type,
  PAM_USER: user,
  PAM_SERVICE: 'sshd',
  PAM_RHOST: '192.0.2.7',
  PAM_TTY: 'ssh',
})

type Compared = {
  readonly title: string
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly token?: true
  /** Which PAM phase it is compared in; none for what never runs there. */
  readonly phase?: 'auth' | 'account'
}

const compared = (directory: string, url: string): readonly Compared[] => [
  { title: 'static C no-op', argv: [`${directory}/c-noop`], phase: 'account' },
  { title: '/bin/true', argv: ['/bin/true'] },
  { title: 'dash + curl, one fetch', argv: [`${directory}/curl`], phase: 'account' },
  { title: 'Bun-compiled no-op', argv: [`${directory}/bun-noop`], phase: 'account' },
  {
    title: 'bare Bun program, one fetch',
    argv: [`${directory}/bun-fetch`, url, portalCa],
    phase: 'account',
  },
  { title: 'ob version', argv: ['/usr/sbin/ob', 'version'] },
  { title: `ob keys ${user}, who has none here`, argv: ['/usr/sbin/ob', 'keys', user] },
  { title: `ob keys ${keyed}, with the key that is offered`, argv: ['/usr/sbin/ob', 'keys', keyed, ...offer] },
  { title: 'ob, PAM account, online', argv: ['/usr/sbin/ob'], env: pamEnvironment('account'), phase: 'account' },
  { title: 'ob, PAM auth, online', argv: ['/usr/sbin/ob'], env: pamEnvironment('auth'), token: true, phase: 'auth' },
  // It never answers in less than 0.3 s, so the instructions and the memory are what to look at.
  { title: 'ob, OpenPGP challenge', argv: ['/usr/sbin/ob', 'gpg', 'ask'], env: pamEnvironment('auth') },
]

/** In a network namespace of its own the portal is away, and nobody waits for it. */
const away = ['/usr/bin/unshare', '--net']

const offline = (directory: string): readonly Row[] => [
  uncounted('no network: Bun-compiled no-op', [...away, `${directory}/bun-noop`]),
  uncounted('no network: ob, PAM account, from the cache', [...away, '/usr/sbin/ob'], {
    ...pamEnvironment('account'),
    PAM_USER: absent,
  }),
  ...(existsSync('/usr/bin/argon2') ? [uncounted('argon2(1), one hash, p=4', ['/bin/sh', '-c', argon2Command])] : []),
  uncounted('Argon2id of the runtime, one hash, p=4', [`${directory}/bun-argon2`, 'native']),
  uncounted('Argon2id of hash-wasm, one hash, p=4', [`${directory}/bun-argon2`, 'hash-wasm']),
]

const argon2Command = "printf 'correct horse' | exec /usr/bin/argon2 'of sixteen bytes' -id -t 3 -k 65536 -p 4 -l 32"

const uncounted = (name: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): Row => ({
  name,
  argv,
  env: { ...plain, ...env },
  countable: false,
})

/** What the portal said about this user is kept before the run; the rows with a portal are about another. */
async function keepAnswer(lab: Lab): Promise<void> {
  await configure(lab, 'auth_cache_ttl = 86400\n')
  const variables = Object.entries({ ...pamEnvironment('account'), PAM_USER: absent }).map(([k, v]) => `${k}=${v}`)
  await lab.need(`/usr/bin/env ${variables.join(' ')} /usr/sbin/ob`)
  await configure(lab)
}

// The portal is told the service, and knows sshd.
const service = (row: Compared, at: number): string => (row.argv[0] === '/usr/sbin/ob' ? 'sshd' : `bench-${at}`)

/** One PAM service a row, in the lab's own /etc/pam.d; both phases call the same program. */
function writeServices(lab: Lab, rows: readonly Compared[]): void {
  for (const [at, row] of rows.entries()) {
    const command = row.argv.join(' ')
    const lines = [
      `auth required pam_exec.so quiet expose_authtok ${command}`,
      `account required pam_exec.so quiet ${command}`,
    ]
    if (row.phase !== undefined) lab.write(`/etc/pam.d/${service(row, at)}`, `${lines.join('\n')}\n`)
  }
  lab.write('/etc/pam.d/bench-permit', 'auth required pam_permit.so\naccount required pam_permit.so\n')
}

const plain = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }

function direct(row: Compared): Row {
  const tokenFor = row.token === true ? { tokenFor: { user, ending: '\0' } } : {}
  return { name: row.title, argv: row.argv, env: { ...plain, ...row.env }, countable: true, ...tokenFor }
}

function pamtester(name: string, pamService: string, row: Pick<Compared, 'phase' | 'token'>, descriptors: number): Row {
  const verb = row.phase === 'auth' ? 'authenticate' : 'acct_mgmt'
  const limit = `--nofile=${descriptors}:${descriptors}`
  const remote = ['-I', 'rhost=192.0.2.7', '-I', 'tty=ssh']
  const argv = ['/usr/bin/prlimit', limit, '/usr/bin/pamtester', ...remote, pamService, user, verb]
  const tokenFor = row.token === true ? { tokenFor: { user, ending: '\n' } } : {}
  return { name, argv, env: plain, countable: false, ...tokenFor }
}

const throughPam = (title: string): string => `pam_exec: ${title}`

function planRows(rows: readonly Compared[]): readonly Row[] {
  const pam = rows.flatMap((row, at) =>
    row.phase === undefined ? [] : [pamtester(throughPam(row.title), service(row, at), row, fewDescriptors)],
  )
  const floor = pamtester('pam_permit alone', 'bench-permit', {}, fewDescriptors)
  // pam_exec closes every descriptor up to the hard limit before it starts anything; systemd's default is the second.
  const most = Math.min(systemdDescriptors, hardLimit())
  const many = pamtester(`${throughPam('static C no-op')}, ${most} descriptors`, service(rows[0]!, 0), {}, most)
  return [...rows.map(direct), floor, ...pam, many]
}

/** A container may not raise it. */
const hardLimit = (): number => {
  const line = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  return Number(line?.[1] ?? fewDescriptors)
}

const ratio = (value: number, of: number | undefined): string => (of === undefined ? '' : (value / of).toFixed(2))

function printTable(measures: readonly Measure[]): void {
  const ms = (name: string) =>
    measures.find((measure) => measure.name === name && measure.failed === undefined)?.medianMs
  const cells = measures.map((measure) => {
    if (measure.failed !== undefined) return [measure.name, measure.failed]
    const pam = measure.name.startsWith('pam_exec: ')
    const floor = ms(pam ? throughPam('Bun-compiled no-op') : 'Bun-compiled no-op')
    const bare = ms(pam ? throughPam('bare Bun program, one fetch') : 'bare Bun program, one fetch')
    const count = measure.instructions === undefined ? '' : (measure.instructions / 1e6).toFixed(2)
    const resident = measure.residentMb?.toFixed(0) ?? ''
    return [
      measure.name,
      measure.medianMs.toFixed(2),
      ratio(measure.medianMs, floor),
      ratio(measure.medianMs, bare),
      resident,
      count,
    ]
  })
  const tool = measures.find((measure) => measure.tool !== undefined)?.tool
  const head = [
    '',
    'median ms',
    '× Bun no-op',
    '× bare fetch',
    'MB',
    `M instructions${tool === undefined ? '' : ` (${tool})`}`,
  ]
  const table = [head, ...cells]
  const width = (column: number) =>
    Math.max(...table.filter((row) => row.length === head.length).map((row) => row[column]!.length))
  const widths = head.map((_, column) => width(column))
  for (const row of table) {
    const [title, ...numbers] = row
    const right = row.length === head.length ? numbers.map((text, at) => text.padStart(widths[at + 1]!)) : numbers
    say([title!.padEnd(widths[0]!), ...right].join('  '))
  }
}

/** The first login of a user makes the account and is refused; from then on this host knows the user. */
async function firstLogin(lab: Lab): Promise<void> {
  await lab.ssh({ user, answers: [String(await lab.portal('mintToken', { user }))] })
}

async function main(rounds: number): Promise<number> {
  if (!existsSync(join(root, 'dist/ob'))) {
    say('dist/ob is not built yet: npm run build')
    return 1
  }
  mkdirSync(join(root, 'build'), { recursive: true })
  const directory = mkdtempSync(join(root, 'build/bench-'))
  let lab: Lab | undefined
  try {
    writeAnew(join(root, 'dist/ob'), join(directory, 'ob'))
    lab = await startLab({ stack: 'a', program: join(directory, 'ob') })
    const url = `${lab.portalUrl}/.well-known/openid-configuration`
    await makePrograms(directory, url)
    await configure(lab)
    await setRights(lab)
    const enrolled = await enroll(lab)
    if (enrolled.code !== 0) throw new Error(`ob enroll ended with ${enrolled.code}:\n${enrolled.output}`)
    await firstLogin(lab)
    await keepAnswer(lab)
    lab.write(`/etc/open-bastion/authorized_keys.d/${keyed}`, `${offer[0]} ${offer[1]}\n`)
    const hops = await hopRows(lab, keyed, offer)
    const inside = directory.replace(root, lab.space.repository)
    // Any key will do, and the host can make one.
    await lab.need(`ob gpg signing-key | sed -n '/BEGIN/,$p' | ob gpg add ${user} -`)
    const rows = compared(inside, url)
    writeServices(lab, rows)
    const plan: Plan = { control, rounds, rows: [...planRows(rows), ...offline(inside), ...hops] }
    lab.write(`${lab.space.scratch}/plan.json`, JSON.stringify(plan))
    const runner = `${lab.space.repository}/test/bench/runner.ts`
    const limit = 600_000
    const ran = await lab.space.run([lab.space.bun, runner, `${lab.space.scratch}/plan.json`], { limit })
    if (ran.code !== 0) throw new Error(`the runner ended with ${ran.code}:\n${ran.stdout}${ran.stderr}`)
    const measures = JSON.parse(ran.stdout) as readonly Measure[]
    printTable(measures)
    say(hopRatio(measures))
    await benchPortal()
    for (const line of await measureCertificates(lab, rounds)) say(line)
    for (const line of await measureHops(rounds)) say(line)
    return 0
  } finally {
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [what, rounds] = process.argv.slice(2)
  if (what === 'logins') process.stdout.write(await benchLogins(Number(rounds ?? 20)))
  else process.exitCode = await main(Number(what ?? 30))
}
