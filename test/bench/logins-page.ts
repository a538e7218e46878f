// docs/performance.md, printed from one run of the bench.
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

export type Measured = {
  readonly name: string
  /** Median, milliseconds. */
  readonly ms: number
  /** The processors' time of sshd, its children and ob serve for one, milliseconds. */
  readonly cpu: number
  readonly perSecond: number
  /** Megabytes for one. */
  readonly mb: number
}

type Figures = {
  readonly near: readonly (readonly Measured[])[]
  readonly away: readonly (readonly Measured[])[]
  readonly many: readonly Measured[]
  readonly waiting: readonly Measured[]
  readonly rounds: number
  /** Milliseconds. */
  readonly roundTrip: number
}

const titles = [
  'A login by key, from the client\u2019s start to the end of `true`',
  'A login by one-time token',
  'The three phases of a login by token in one PAM handle',
  'One account phase',
] as const

const intro = (machine: string): string => `# What a login costs

\`npm run bench -- logins\` prints this page from one run. Milliseconds depend on the machine and on what else it does; what counts are the
ratios inside a table, which are of the same run, round by round in turn. This run: ${machine}.

Nothing else is between sshd and the portal but this program. The first row of a table is what there is without it. With \`ob serve\`
(docs/accounts.md) the process that pam_exec starts loads no more than a socket, and questions go over a connection that is kept: each
costs one round trip instead of three. The portal of these figures answers at once; a real one adds its own time to every question.
`

const advice = `
## What to do about it

- Start \`ob serve\`: \`systemctl enable --now ob-serve\`. It decides logins (\`serve_logins\`), and no login needs it.
- \`LimitNOFILE=1024:4096\` in sshd's unit. Before it starts a program, pam_exec closes every number up to the hard limit, up to 65 535 of
  them: some 10 ms a phase at systemd's default. \`ob doctor\` names a unit where this matters.
- \`ca_cert\` with the one authority of the portal. The whole bundle of the system costs each new connection 2 to 3 ms.
- \`systemctl enable ob-preload\`: the executable is read once after boot. The first login does not wait for the disk then.
- Where \`ssh_key_policy_enabled\` and \`bastion_jwt_required\` are not set, sshd may read root's list of keys by itself:
  \`AuthorizedKeysFile /etc/open-bastion/authorized_keys.d/%u\` in place of \`none\` in the drop-in of your mode. For a key in that list
  sshd then starts \`ob keys\` not even once; it would start it twice.

## What holds it there

Instruction budgets in \`test/host/budget.test.ts\` fail when a phase, a phase that \`ob serve\` decides, or \`ob keys\` gets dearer. Another PAM
module can stand beside this program: \`OB_BENCH_MODULE='/path/pam_other.so arguments' npm run bench -- logins\`.
`

export function page({ near, away, many, waiting, rounds, roundTrip }: Figures): string {
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0]
  const machine = `${cpus().length} processors (${cpus()[0]?.model.trim()}), load ${load}, ${rounds} rounds`
  const tables = titles.map((title, at) => table(title, near[at]!, away[at]!, roundTrip))
  return [
    intro(machine),
    ...tables,
    '## Many at once\n',
    '| logins by key, 10 side by side | a second | × plain |',
    '| --- | --- | --- |',
    ...many.map(
      ({ name, perSecond }) => `| ${name} | ${perSecond.toFixed(1)} | ${ratio(perSecond, many[0]!.perSecond)} |`,
    ),
    '',
    '| 100 account phases that wait for the portal | MB each |',
    '| --- | --- |',
    ...waiting.map(({ name, mb }) => `| ${name} | ${mb.toFixed(1)} |`),
    advice,
  ].join('\n')
}

const ratio = (value: number, of: number): string => (value / of).toFixed(2)

function table(title: string, near: readonly Measured[], away: readonly Measured[], roundTrip: number): string {
  const hasCpu = near.some(({ cpu }) => cpu > 0)
  const head = [
    '',
    'ms',
    '× the first',
    `ms, ${roundTrip} ms to the portal`,
    '× the first',
    ...(hasCpu ? ['CPU ms'] : []),
  ]
  const rows = near.map(({ name, ms, cpu }, at) => {
    const far = away[at]!.ms
    const cells = [name, ms.toFixed(1), ratio(ms, near[0]!.ms), far.toFixed(1), ratio(far, away[0]!.ms)]
    return [...cells, ...(hasCpu ? [cpu.toFixed(0)] : [])]
  })
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  return [`## ${title}\n`, ...lines, ''].join('\n')
}
