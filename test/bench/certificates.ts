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

async function measure(lab: Lab, name: string, rounds: number, command: () => Promise<string>): Promise<string> {
  const times: number[] = []
  const before = await cpuMs(lab)
  for (let round = 0; round < rounds; round++) {
    const line = await command()
    const { code, tookMs, stderr } = await lab.run(line)
    if (code !== 0) throw new Error(`${name}: ${code} ${stderr}`)
    times.push(tookMs)
  }
  // The listener counts a connection when its last process has ended.
  await Bun.sleep(200)
  const cpu = ((await cpuMs(lab)) - before) / rounds
  return `${name.padEnd(52)} ${median(times).toFixed(0).padStart(6)} ms  ${cpu.toFixed(0).padStart(5)} ms CPU`
}

/** A line for each: a plain login for comparison, a certificate, a switch. */
export async function measureCertificates(lab: Lab, rounds: number): Promise<readonly string[]> {
  await configure(lab, settings)
  await lab.need('mkdir -p /root/keys && ob krl update --allow-empty')
  await becomeAuthority(lab)
  await newKey(lab, 'bench')
  const first = await certify(lab, 'bench', 'alice')
  if (first.code !== 0) throw new Error(`no certificate: ${first.stderr}`)
  return [
    await measure(lab, 'ssh: a login with a certificate, /bin/true', rounds, async () => `${ssh} alice@127.0.0.1 true`),
    await measure(lab, 'ssh: one certificate', rounds, async () => {
      const token = await mintToken(lab, 'alice')
      return `${ssh} -o CertificateFile=none ca@127.0.0.1 token ${token} > /dev/null`
    }),
    await measure(lab, 'ssh: a functional account, /bin/true', rounds, async () => `${ssh} login@127.0.0.1 true`),
  ]
}
