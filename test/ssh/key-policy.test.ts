import { expect, test } from 'bun:test'
import { checkConfig } from '../../src/config/load.ts'
import { judgeKey, type KeyPolicy } from '../../src/ssh/key-policy.ts'
import vectors from '../vectors/validators.json'

const bitsOf: Readonly<Record<string, number>> = {
  'ssh-rsa': 4096,
  'ssh-dss': 1024,
  'ecdsa-sha2-nistp384': 384,
  'ecdsa-sha2-nistp521': 521,
}

/** Upstream reads an algorithm name; a key has a type. */
function plainTypeOf(algorithm: string): string {
  const stem = algorithm.replace(/-cert-v01@openssh\.com$/, '')
  const plain = stem.startsWith('sk-') && stem !== algorithm ? `${stem}@openssh.com` : stem
  return plain.startsWith('rsa-sha2-') ? 'ssh-rsa' : plain
}

const kinds = (text: string): readonly string[] => {
  const checked = checkConfig(`portal_url = https://a.example\nssh_key_allowed_types = ${text}\n`)
  return checked.kind === 'accepted' ? checked.config.ssh_key_allowed_types : []
}

const base: KeyPolicy = { enabled: true, allowedTypes: kinds('all'), minRsaBits: 2048, minEcdsaBits: 256 }

// Upstream refuses sk-ssh-ed25519 unless ed25519 is allowed as well, so `sk` alone means half of it.
const isDifference = (types: string | null, algorithm: string): boolean =>
  types === 'sk' && plainTypeOf(algorithm) === 'sk-ssh-ed25519@openssh.com'

test('the verdicts are upstream’s', () => {
  for (const row of vectors.ssh_key_policy) {
    // Upstream drops words that it does not know; here they are a problem of the configuration.
    if (row.allowed_types?.includes('foo')) continue
    const allowedTypes = kinds(row.allowed_types ?? 'all')
    const policy = { enabled: true, allowedTypes, minRsaBits: row.min_rsa_bits, minEcdsaBits: row.min_ecdsa_bits }
    const plainType = plainTypeOf(row.algorithm)
    const allowed = judgeKey(policy, { plainType, bits: bitsOf[plainType] ?? 256 }) === 'accepted'
    const line = `${row.allowed_types} ${row.algorithm}`
    expect([line, allowed]).toEqual([line, isDifference(row.allowed_types, row.algorithm) || row.allowed])
  }
})

test.each([
  ['rsa, ed25519 ecdsa', ['rsa', 'ed25519', 'ecdsa']],
  ['all', ['rsa', 'ed25519', 'ecdsa', 'sk']],
  ['ALL,dsa', ['rsa', 'ed25519', 'ecdsa', 'sk', 'dsa']],
  ['fido2', ['sk']],
  ['sk,fido2,sk', ['sk']],
  ['foo', []],
  ['ed25519;rsa', []],
  ['constructor', []],
])('%j allows %j', (text, expected) => {
  expect(kinds(text)).toEqual(expected)
})

test.each([
  ['ssh-rsa', 2047, 'too-small'],
  ['ssh-rsa', 2048, 'accepted'],
  ['ecdsa-sha2-nistp256', 256, 'too-small'],
  ['ecdsa-sha2-nistp384', 384, 'accepted'],
  ['sk-ecdsa-sha2-nistp256@openssh.com', 256, 'too-small'],
  ['sk-ssh-ed25519@openssh.com', 256, 'accepted'],
  ['ssh-ed25519', 256, 'accepted'],
  ['ssh-dss', 1024, 'type-refused'],
  ['constructor', 9999, 'type-refused'],
  ['ssh-ed25519-cert-v01@openssh.com', 256, 'type-refused'],
] as const)('a %s key of %d bits is %s where ECDSA needs 384', (plainType, bits, verdict) => {
  expect(judgeKey({ ...base, minEcdsaBits: 384 }, { plainType, bits })).toBe(verdict)
})

test('a policy that is not enabled accepts every key', () => {
  expect(judgeKey({ ...base, enabled: false, allowedTypes: [] }, { plainType: 'ssh-dss', bits: 1 })).toBe('accepted')
})
