// `bun test/bench/nss.ts [PROGRAM]`: what one lookup of a user costs through `ob serve`, and through the files, on
// hosts with more and more users. Medians of one run, in microseconds; the machine is not touched.
import { mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { formatRegistry, type RegistryUser } from '../../src/accounts/registry-format.ts'
import { type Lab, startLab } from '../host/lab.ts'
import { environment } from '../host/namespace.ts'

const root = resolve(import.meta.dir, '../..')
const say = (text: string): void => void process.stdout.write(`${text}\n`)
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const nameOf = (index: number): string => `u${((index * 7919) % 1_000_003).toString(36)}`

function registryOf(count: number): string {
  const users = Array.from({ length: count }, (_, index): readonly [string, RegistryUser] => {
    const uid = 100_000 + index
    const place = { home: `/home/${nameOf(index)}`, shell: '/bin/bash' }
    const rights = { sudo: index % 50 === 0, groups: ['users'], source: 'portal' as const }
    return [
      nameOf(index),
      { uid, gid: uid, gecos: `User ${index}`, ...place, ...rights, createdAt: 1, state: 'active' },
    ]
  })
  return formatRegistry({ users: new Map(users), groups: new Map([['open-bastion-sudo', 900_000]]) })
}

const target = { systemd: 'userdb', 'extrausers systemd': 'userdb', extrausers: 'extrausers' } as const

async function measure(
  lab: Lab,
  program: string,
  count: number,
  sources: keyof typeof target,
): Promise<readonly string[]> {
  const head = 'portal_url = https://auth.example.test\nmax_uid = 1000000\n'
  lab.write('/etc/open-bastion/openbastion.conf', `${head}create_user_target = ${target[sources]}\n`, 0o600)
  await lab.need('rm -rf /var/lib/open-bastion /var/lib/extrausers/*; mkdir -m 711 /var/lib/open-bastion')
  await lab.need(`sed -i -E 's/^(passwd|group|shadow):.*/\\1: files ${sources}/' /etc/nsswitch.conf`)
  lab.write('/var/lib/open-bastion/users.json', registryOf(count))
  await lab.need('ob nss export')
  const served = Bun.spawn(lab.space.command(['/usr/sbin/ob', 'serve']), { stdin: 'ignore', env: environment({}) })
  for (let tries = 0; tries < 1000; tries++) {
    if ((await lab.run('test -S /run/systemd/userdb/io.openbastion')).code === 0) break
    await Bun.sleep(20)
  }
  const rows = await Promise.all([0, 1, 2].map(() => [] as number[]))
  const misses: number[] = []
  const ask = async (name: string) =>
    (await lab.run([program, name], { user: 'localadm' })).stdout.trim().split(' ').map(Number)
  for (let round = 0; round < 40; round++) {
    const numbers = await ask(nameOf((round * 104_729) % count))
    for (const [at, row] of rows.entries()) row.push(numbers[at] ?? Number.NaN)
    misses.push((await ask(`nobody${round}`))[1] ?? Number.NaN)
  }
  const pid = (await lab.need("pgrep -x -f '/usr/sbin/ob serve'")).trim()
  const resident = (await lab.need(`grep VmRSS /proc/${pid}/status`)).replace(/\D+/g, '')
  await lab.need(`kill ${pid}`)
  await served.exited
  return [...rows.map(median), median(misses), Math.round(Number(resident) / 1024)].map((value) => value.toFixed(0))
}

async function main(program: string): Promise<void> {
  const directory = mkdtempSync(join(root, 'build/bench-'))
  const lab = await startLab({ program, portal: false })
  try {
    const binary = join(directory, 'getpwnam')
    const source = join(import.meta.dir, 'programs/getpwnam.c')
    const gcc = Bun.spawnSync(['gcc', '-O2', '-o', binary, source])
    if (gcc.exitCode !== 0) throw new Error(`gcc: ${gcc.stderr}`)
    await lab.need(`install -m 0755 ${binary.replace(root, lab.space.repository)} /usr/sbin/getpwnam`)
    say('users   sources             first  later  initgroups  miss  MB of ob serve')
    for (const sources of ['systemd', 'extrausers systemd', 'extrausers'] as const)
      for (const count of [100, 10_000, 100_000]) {
        const cells = await measure(lab, '/usr/sbin/getpwnam', count, sources)
        const widths = [5, 5, 10, 4, 14]
        say(
          [String(count).padEnd(6), sources.padEnd(18), ...cells.map((one, at) => one.padStart(widths[at]!))].join(
            '  ',
          ),
        )
      }
  } finally {
    await lab.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) await main(resolve(process.argv[2] ?? join(root, 'dist/ob')))
