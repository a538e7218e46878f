// Keys and certificates made by the real ssh-keygen, once per test process.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PublicKey, parsePublicKeyLine } from '../../src/ssh/wire.ts'

const files = new Map<string, string>()

/** Runs ssh-keygen in a folder of its own, which holds every file made so far and is gone afterwards. */
function keygen(...args: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'ob-keys-'))
  try {
    for (const [name, text] of files) writeFileSync(join(folder, name), text, { mode: 0o600 })
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' }
    const done = Bun.spawnSync(['ssh-keygen', '-q', ...args], { cwd: folder, env })
    if (done.exitCode !== 0) throw new Error(`ssh-keygen ${args.join(' ')}: ${done.stderr.toString()}`)
    for (const name of readdirSync(folder)) files.set(name, readFileSync(join(folder, name), 'utf8'))
    return done.stdout.toString()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const read = (name: string): string => files.get(name)!.trimEnd()

/** What `ssh-keygen -l` says: bits and fingerprint. */
export function listed(name: string): { readonly bits: number; readonly fingerprint: string } {
  const [bits, fingerprint] = keygen('-l', '-f', `${name}.pub`).split(' ')
  return { bits: Number(bits), fingerprint: fingerprint! }
}

export const kinds: readonly (readonly [name: string, type: string, bits: string])[] = [
  ['rsa2048', 'rsa', '2048'],
  ['rsa3071', 'rsa', '3071'],
  ['p256', 'ecdsa', '256'],
  ['p384', 'ecdsa', '384'],
  ['p521', 'ecdsa', '521'],
  ['ed25519', 'ed25519', '256'],
]
for (const [name, type, bits] of kinds) keygen('-t', type, '-b', bits, '-N', '', '-C', `${name} of alice`, '-f', name)
keygen('-t', 'ed25519', '-N', '', '-f', 'ca')

export const publicKeyLine = (name: string): string => read(`${name}.pub`)

export const caFingerprint = listed('ca').fingerprint
export const caLine = read('ca.pub')

/** A certificate for the key of this name, by the test CA or by the key itself. */
export function certificateLine(name: string, options: readonly string[], signer = 'ca'): string {
  keygen('-s', signer, ...options, `${name}.pub`)
  return read(`${name}-cert.pub`)
}

/** The bits and fingerprint of a certificate, as ssh-keygen prints them. */
export const listedCertificate = (name: string) => listed(`${name}-cert`)

/** The key or certificate of a line, which must be one. */
export function keyOf(line: string): PublicKey {
  const parsed = parsePublicKeyLine(line)
  if ('problem' in parsed) throw new Error(parsed.problem)
  return parsed.key
}
