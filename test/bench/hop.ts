// Rows about hops: what sshd's helper takes for a key with a bastion token in it, next to one for a listed key.
import { configure, mintToken } from '../host/enrolled.ts'
import { believeHops, offeredHop } from '../host/hop-offer.ts'
import type { Lab } from '../host/lab.ts'
import type { Ran } from '../host/namespace.ts'
import { addresses, startThreeHosts, type ThreeHosts } from '../host/three-hosts.ts'
import type { Measure, Row } from './runner.ts'

const state = '/run/bench-hop'

const names = {
  mounts: 'hops configured: /bin/true',
  listed: 'hops configured: ob keys, with the key that is offered',
  token: 'hops configured: ob keys, a bastion token in the key',
} as const

/** A row on a host with that state: in mounts of its own, so that no other row sees it. */
const bound = (name: string, argv: readonly string[]): Row => ({
  name,
  argv: [
    ...['/usr/bin/unshare', '--mount', '/bin/sh', '-c'],
    `mount --bind ${state} /var/lib/open-bastion && exec "$@"`,
    ...['sh', ...argv],
  ],
  env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  countable: false,
})

export async function hopRows(lab: Lab, keyed: string, offer: readonly string[]): Promise<readonly Row[]> {
  await believeHops(lab)
  // This host's state with hops configured, in a place of its own: the other rows are about hosts without them.
  await lab.need(`cp -a /var/lib/open-bastion ${state}`)
  const hop = await offeredHop(lab, 'alice')
  await configure(lab)
  await lab.need('ob heartbeat --once')
  return [
    bound(names.mounts, ['/bin/true']),
    bound(names.listed, ['/usr/sbin/ob', 'keys', keyed, ...offer]),
    bound(names.token, ['/usr/sbin/ob', 'keys', 'alice', ...hop]),
  ]
}

/** In a file, because ssh -J hands that on to the ssh of the jump. */
const settings = 'BatchMode yes\nIdentityFile ~/key\n'
const plainSsh = 'ssh -F ~/settings'

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** alice has an account and a key everywhere, and both hosts have a way to the portal: only the hop differs. */
async function settle(hosts: ThreeHosts): Promise<void> {
  const { client, bastion, backend } = hosts
  for (const _ of ['the account is made', 'alice is let in'])
    await bastion.ssh({ user: 'alice', answers: [await mintToken(bastion, 'alice')] })
  const atHome = [
    [client, '/root'],
    [bastion, '/home/alice'],
  ] as const
  for (const [lab, home] of atHome) {
    lab.write(`${home}/settings`, settings)
    await lab.need(`ssh-keygen -q -t ed25519 -N '' -f ${home}/key && chown --reference=${home} ${home}/*`)
  }
  const [ofClient, ofBastion] = atHome.map(([lab, home]) => lab.text(`${home}/key.pub`))
  bastion.write('/etc/open-bastion/authorized_keys.d/alice', ofClient!)
  backend.write('/etc/open-bastion/authorized_keys.d/alice', ofClient! + ofBastion!)
  // Logins by key, once alice is known by her token.
  await bastion.setStack('c')
  await hosts.publish()
}

/** Lines about a hop on three machines, next to the same way without one; each round takes every way once. */
export async function measureHops(rounds: number): Promise<readonly string[]> {
  const hosts = await startThreeHosts()
  try {
    await settle(hosts)
    const { client, onBastion } = hosts
    const ways: readonly (readonly [name: string, run: () => Promise<Ran>])[] = [
      ['bastion to backend: ssh with a key', () => onBastion(`${plainSsh} backend true`)],
      ['bastion to backend: ob proxy', () => onBastion('ob proxy backend true')],
      ['client to backend: ssh -J', () => client.run(`${plainSsh} -J alice@bastion alice@${addresses.backend} true`)],
      [
        'client to backend: ob proxy over ssh',
        () => client.run(`${plainSsh} alice@bastion /usr/sbin/ob proxy backend true`),
      ],
    ]
    const took = ways.map((): number[] => [])
    for (let round = 0; round < rounds; round++)
      for (const [at, [name, run]] of ways.entries()) {
        const { code, tookMs, stderr } = await run()
        if (code !== 0) throw new Error(`${name}: ${code} ${stderr}`)
        took[at]!.push(tookMs)
      }
    const medians = took.map(median)
    return ways.map(([name], at) => {
      // The way without a hop stands before the way with one.
      const [own, plain] = [medians[at]!, medians[at - (at % 2)]!]
      const ratio = at % 2 === 0 ? '' : `  ${(own / plain).toFixed(2)} ×, ${(own - plain).toFixed(0)} ms more`
      return `${name.padEnd(52)} ${own.toFixed(0).padStart(6)} ms${ratio}`
    })
  } finally {
    await hosts.stop()
  }
}

/** How often the time of a listed key a key with a bastion token takes, without what the mounts of the rows take. */
export function hopRatio(measures: readonly Pick<Measure, 'name' | 'medianMs'>[]): string {
  const ms = (name: string) => measures.find((measure) => measure.name.startsWith(name))?.medianMs ?? Number.NaN
  const mounts = ms(names.mounts)
  const ratio = (ms(names.token) - mounts) / (ms(names.listed) - mounts)
  return `ob keys: a bastion token in the key takes ${ratio.toFixed(2)} × the time of a listed key`
}
