// `npm run bench -- logins [ROUNDS]`: whole logins next to those of a plain sshd, with and without `ob serve`, near the
// portal and 20 ms away from it. Prints docs/performance.md of one run.
import { configure, enroll, setRights } from '../host/enrolled.ts'
import { type Lab, startLab } from '../host/lab.ts'
import { environment } from '../host/namespace.ts'
import { startServe } from '../host/serve.ts'
import { type Measured, page } from './logins-page.ts'

/** Another PAM module to stand beside this program: its path and arguments, as in a line of pam.d. */
const other = process.env['OB_BENCH_MODULE']
const socket = '/run/open-bastion/phases'
const control = 'http://127.0.0.1:19444/control'
const user = 'alice'

type Way = {
  readonly name: string
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly token?: string
  readonly before?: string
  readonly servers?: readonly string[]
}
type Step =
  | { readonly kind: 'series'; readonly rounds: number; readonly ways: readonly Way[] }
  | { readonly kind: 'beside'; readonly wide: number; readonly count: number; readonly ways: readonly Way[] }
  | { readonly kind: 'waiting'; readonly count: number; readonly ways: readonly Way[] }

/** The daemon goes on listening while its socket has another name, and nobody finds it. */
const without = `[ ! -S ${socket} ] || mv ${socket} ${socket}.away`
const withIt = `[ -S ${socket} ] || mv ${socket}.away ${socket}`

const plainStack = `auth required pam_permit.so
account required pam_permit.so
session required pam_permit.so
`

/** sshd takes the name of its PAM service from its own. */
async function startSshd(lab: Lab, name: string, port: number, options: readonly string[]): Promise<string> {
  await lab.need(`ln -sf /usr/sbin/sshd /usr/local/sbin/${name} 2>/dev/null || ln -sf /usr/sbin/sshd /run/${name}`)
  const path = (await lab.need(`ls /run/${name} /usr/local/sbin/${name} 2>/dev/null | head -1`)).trim()
  const fixed = [`Port=${port}`, `PidFile=/run/bench-${port}.pid`, 'MaxStartups=200', 'LogLevel=ERROR']
  const argv = [path, '-D', ...[...options, ...fixed].flatMap((option) => ['-o', option])]
  Bun.spawn(lab.space.command(argv), { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore', env: environment({}) })
  await lab.need(`for i in $(seq 200); do [ -s /run/bench-${port}.pid ] && exit 0; sleep 0.02; done; exit 1`)
  return (await lab.need(`cat /run/bench-${port}.pid`)).trim()
}

const ssh = (port: number, options: readonly string[]): readonly string[] => [
  ...['ssh', '-F', 'none', '-p', String(port), '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
  ...['-o', 'LogLevel=ERROR', ...options, `${user}@127.0.0.1`, 'true'],
]
const byKey = (port: number) => ssh(port, ['-i', '/root/key', '-o', 'IdentitiesOnly=yes'])
const byToken = (port: number) =>
  ssh(port, ['-o', 'PubkeyAuthentication=no', '-o', 'PreferredAuthentications=keyboard-interactive'])

const pam = (type: string) => ({
  ...{ PAM_TYPE: type, PAM_USER: user, PAM_SERVICE: 'sshd', PAM_RHOST: '192.0.2.7', PAM_TTY: 'ssh' },
  SSH_CONNECTION: '192.0.2.7 5000 192.0.2.1 22',
})

/** The three phases of a login by token in one PAM handle, as sshd has them. */
const handle = (service: string): readonly string[] => [
  ...['pamtester', '-I', 'rhost=192.0.2.7', '-I', 'tty=ssh', service, user],
  ...['authenticate', 'acct_mgmt', 'open_session'],
]

async function settle(lab: Lab): Promise<void> {
  await configure(lab, 'service_map = three=ssh\n')
  await setRights(lab)
  const enrolled = await enroll(lab)
  if (enrolled.code !== 0) throw new Error(enrolled.output)
  await lab.need(`ob nss add ${user}; ssh-keygen -q -t ed25519 -N '' -f /root/key
    install -m 0644 /root/key.pub /etc/open-bastion/authorized_keys.d/${user}
    printf '#!/bin/sh\\nprintf "%%s\\\\n" "$OB_TOKEN"\\n' > /run/askpass; chmod 755 /run/askpass`)
  lab.write('/etc/pam.d/plain-sshd', plainStack)
  lab.write('/etc/pam.d/no-op', plainStack.replaceAll('pam_permit.so', 'pam_exec.so quiet /bin/true'))
  if (other !== undefined)
    lab.write(
      '/etc/pam.d/other-sshd',
      plainStack.replace('account required pam_permit.so', `account required ${other}`),
    )
  // A session of ob for pamtester, without what the rest of the stack does.
  const line = 'required pam_exec.so quiet stdout'
  lab.write(
    '/etc/pam.d/three',
    `auth ${line} expose_authtok /usr/sbin/ob\naccount ${line} /usr/sbin/ob\nsession ${line} type=open_session /usr/sbin/ob\n`,
  )
}

async function measure(lab: Lab, steps: readonly Step[]): Promise<readonly (readonly Measured[])[]> {
  lab.write('/run/plan.json', JSON.stringify({ control, steps }))
  const script = `${lab.space.repository}/test/bench/logins.py`
  const ran = await lab.run(['python3', script, '/run/plan.json'], { limit: 1_800_000 })
  if (ran.code !== 0) throw new Error(`${ran.stdout}${ran.stderr}`)
  return JSON.parse(ran.stdout)
}

export async function benchLogins(rounds: number): Promise<string> {
  const lab = await startLab({ stack: 'd', portalAddress: '0.0.0.0' })
  try {
    await settle(lab)
    const keys = [
      'AuthorizedKeysFile=/etc/open-bastion/authorized_keys.d/%u',
      'AuthorizedKeysCommand=none',
      'UsePAM=yes',
    ]
    const plain = await startSshd(lab, 'plain-sshd', 2201, keys)
    const others = other === undefined ? '' : await startSshd(lab, 'other-sshd', 2203, keys)
    const own = await startSshd(lab, 'sshd', 2202, [])
    // An sshd with this program that reads root's list of keys by itself (docs/performance.md).
    const reading = await startSshd(lab, 'sshd', 2204, [keys[0]!])
    const serve = await startServe(lab, socket)
    const servers = [own, await serve.pid()]
    const askpass = { SSH_ASKPASS: '/run/askpass', SSH_ASKPASS_REQUIRE: 'force' }
    const key: readonly Way[] = [
      { name: 'plain sshd', argv: byKey(2201), servers: [plain] },
      { name: 'ob', argv: byKey(2202), before: without, servers },
      { name: 'ob with ob serve', argv: byKey(2202), before: withIt, servers },
      {
        name: 'the same, root’s keys read by sshd',
        argv: byKey(2204),
        before: withIt,
        servers: [reading, servers[1]!],
      },
      ...(other === undefined ? [] : [{ name: other.split('/').at(-1)!, argv: byKey(2203), servers: [others] }]),
    ]
    const token: readonly Way[] = [
      { name: 'ob', argv: byToken(2202), before: without, servers, env: askpass, token: user },
      { name: 'ob with ob serve', argv: byToken(2202), before: withIt, servers, env: askpass, token: user },
    ]
    const phases: readonly Way[] = [
      { name: 'pam_exec with /bin/true', argv: handle('no-op') },
      { name: 'ob', argv: handle('three'), before: without, token: user },
      { name: 'ob with ob serve', argv: handle('three'), before: withIt, token: user },
    ]
    const one: readonly Way[] = [
      { name: 'ob', argv: ['/usr/sbin/ob'], before: without, env: pam('account') },
      { name: 'ob with ob serve', argv: ['/usr/sbin/ob'], before: withIt, env: pam('account') },
    ]
    const near = await measure(
      lab,
      [key, token, phases, one].map((ways) => ({ kind: 'series', rounds, ways })),
    )
    const [many] = await measure(lab, [{ kind: 'beside', wide: 10, count: 60, ways: key }])
    await serve.stop()
    const away = await farAway(lab, rounds, [key, token, phases, one])
    const [waiting] = await waitingLogins(lab, one)
    return page({ near, away, many: many!, waiting: waiting!, rounds, roundTrip })
  } finally {
    await lab.stop()
  }
}

const roundTrip = 20

async function farAway(lab: Lab, rounds: number, kinds: readonly (readonly Way[])[]) {
  const script = `${lab.space.repository}/test/bench/reflector.py`
  const reflector = Bun.spawn(lab.space.command(['python3', script, String(roundTrip)]), {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
    env: environment({}),
  })
  for await (const _ of reflector.stdout) break
  lab.write('/etc/hosts', '127.0.0.1 localhost lab\n10.9.0.2 auth.example.test\n')
  const serve = await startServe(lab, socket)
  const pid = await serve.pid()
  const moved = kinds.map((ways) =>
    ways.map((way) => ({ ...way, ...(way.servers?.length === 2 && { servers: [way.servers[0]!, pid] }) })),
  )
  const measured = await measure(
    lab,
    moved.map((ways) => ({ kind: 'series', rounds, ways })),
  )
  await serve.stop()
  reflector.kill()
  lab.write('/etc/hosts', '127.0.0.1 localhost lab auth.example.test\n')
  return measured
}

async function waitingLogins(lab: Lab, ways: readonly Way[]) {
  await configure(lab, 'service_map = three=ssh\ntimeout = 20\n')
  const serve = await startServe(lab, socket)
  const servers = [await serve.pid()]
  await lab.portal('fault', { kind: 'slow', path: '/pam/authorize', seconds: 15 })
  return measure(lab, [{ kind: 'waiting', count: 100, ways: ways.map((way) => ({ ...way, servers })) }])
}

if (import.meta.main) process.stdout.write(await benchLogins(Number(process.argv[2] ?? 20)))
