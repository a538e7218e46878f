import { expect, test } from 'bun:test'
import { readProof } from '../../src/ssh/proof.ts'
import { publicKeyLine } from '../fakes/ssh-keys.ts'

test('with two keys each one is judged, not the chosen one alone', async () => {
  const policy = { enabled: true, allowedTypes: ['ed25519'], minRsaBits: 2048, minEcdsaBits: 256 }
  const judged = async (...names: string[]) => {
    const proof = await readProof({
      authInfo: names.map((name) => `publickey ${publicKeyLine(name).split(' ').slice(0, 2).join(' ')}\n`).join(''),
      connection: undefined,
      isSession: true,
      policy,
      isRevocationListStale: async () => false,
      judgeHop: async () => undefined,
    })
    return proof.kind === 'key' && proof.judged
  }
  expect([await judged('ed25519'), await judged('ed25519', 'rsa2048'), await judged('rsa2048', 'ed25519')]).toEqual([
    'accepted',
    'type-refused',
    'type-refused',
  ])
})
