// What one certificate and one switch cost, through a real ssh and sshd: time as the person waits, and CPU of all that
// sshd started, as the kernel counts it for sshd's children that ended (proc_pid_stat(5), cutime and cstime).
import { becomeAuthority, certify, newKey, settings } from '../host/authority.ts'
import { configure, mintToken } from '../host/enrolled.ts'
import type { Lab } from '../host/lab.ts'

const quiet =
  '-F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'
const ssh = `ssh ${quiet} -o BatchMode=yes -i /root/keys/bench`

const ticksPerSecond = 100

async function cpuMs(lab: Lab): Promise<number> {
  const fields = (await lab.need('cat "/proc/$(cat /run/sshd.pid)/stat"')).replace(/^.*\) /, '').split(' ')
  return ((Number(fields[13]) + Number(fields[14])) * 1000) / ticksPerSecond
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

type Way = { readonly name: string; readonly line: () => Promise<string> }

/** One run of the way: how long the person waited, and the CPU time of all that sshd started for it, both in ms. */
async function once(lab: Lab, { name, line }: Way): Promise<{ readonly ms: number; readonly cpu: number }> {
  const command = await line()
  const before = await cpuMs(lab)
  const { code, tookMs, stderr } = await lab.run(command)
  if (code !== 0) throw new Error(`${name}: ${code} ${stderr}`)
  // The listener counts a connection when its last process has ended.
  await Bun.sleep(200)
  return { ms: tookMs, cpu: (await cpuMs(lab)) - before }
}

/** A line for each way: a plain login for comparison, a certificate, a switch; each round takes every way once. */
export async function measureCertificates(lab: Lab, rounds: number): Promise<readonly string[]> {
  await configure(lab, settings)
  await lab.need('mkdir -p /root/keys && ob krl update --allow-empty')
  await becomeAuthority(lab)
  await newKey(lab, 'bench')
  const first = await certify(lab, 'bench', 'alice')
  if (first.code !== 0) throw new Error(`no certificate: ${first.stderr}`)
  const ways: readonly Way[] = [
    { name: 'ssh: a login with a certificate, /bin/true', line: async () => `${ssh} alice@127.0.0.1 true` },
    {
      name: 'ssh: one certificate',
      line: async () =>
        `${ssh} -o CertificateFile=none ca@127.0.0.1 token ${await mintToken(lab, 'alice')} > /dev/null`,
    },
    { name: 'ssh: a functional account, /bin/true', line: async () => `${ssh} login@127.0.0.1 true` },
  ]
  const taken = ways.map((): { readonly ms: number; readonly cpu: number }[] => [])
  for (let round = 0; round < rounds; round++)
    for (const [at, way] of ways.entries()) taken[at]!.push(await once(lab, way))
  const sums = taken.map((list) => ({
    ms: median(list.map(({ ms }) => ms)),
    cpu: list.reduce((sum, { cpu }) => sum + cpu, 0) / rounds,
  }))
  return ways.map(({ name }, at) => {
    const [own, plain] = [sums[at]!, sums[0]!]
    const ratios = at === 0 ? '' : `  ${(own.ms / plain.ms).toFixed(2)} ×, CPU ${(own.cpu / plain.cpu).toFixed(2)} ×`
    return `${name.padEnd(52)} ${own.ms.toFixed(0).padStart(6)} ms  ${own.cpu.toFixed(0).padStart(5)} ms CPU${ratios}`
  })
}
