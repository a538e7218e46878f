// Keys and certificates made by the real ssh-keygen, once per test process.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'ob-keys-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function keygen(...args: readonly string[]): string {
  const done = Bun.spawnSync(['ssh-keygen', '-q', ...args], {
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  })
  if (done.exitCode !== 0) throw new Error(`ssh-keygen ${args.join(' ')}: ${done.stderr.toString()}`)
  return done.stdout.toString()
}

const read = (name: string): string => readFileSync(join(folder, name), 'utf8').trimEnd()

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
