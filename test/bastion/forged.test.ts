// Forged certificates around a good token: sshd's helper lists none, and no session opens with one.
import { expect, test } from 'bun:test'
import { sha256 } from '../../src/base/bytes.ts'
import type { Fingerprint } from '../../src/base/names.ts'
import { openHopKey } from '../../src/bastion/carrier.ts'
import { backend, type Offered, offer, person, session, vouch } from './backend.ts'
import { type Forgery, forgeries } from './forged.ts'

/** sshd reads more than we do: it knows type and fingerprint also of what we refuse to read. */
async function asSshdSays({ blob, seed }: Forgery): Promise<Offered> {
  const plain = sha256((await openHopKey(seed)).blob).toBase64({ omitPadding: true })
  return { type: 'ssh-ed25519-cert-v01@openssh.com', blob, fingerprint: `SHA256:${plain}` as Fingerprint }
}

test.each(forgeries.map((row) => [row.name, row] as const))('refused: %s', async (_name, { make, refusal }) => {
  const host = await backend()
  const key = await asSshdSays(await make(await vouch(host), person))
  expect(await offer(host, key)).toBe('')
  expect(host.world.logged.at(-1)).toBe(`info ${refusal.replace('USER', person)}`)
  const reason = refusal.includes('cannot be read') ? 'no-proof' : 'hop-certificate'
  expect((await session(host, key)).outcome).toBe(`denied ${reason}`)
})

test('where no hop is configured, nothing is said about a key that cannot be read', async () => {
  const host = await backend()
  const key = await asSshdSays(await forgeries[0]!.make(await vouch(host), person))
  host.world.disk.delete('/var/lib/open-bastion/hops.json')
  const before = host.world.logged.length
  expect(await offer(host, key)).toBe('')
  expect(host.world.logged.length).toBe(before)
})
