// A throw-away certificate authority and a server certificate, made with openssl(1).
import { createHash, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type ServerIdentity = {
  readonly caPath: string
  readonly caPem: string
  readonly cert: string
  readonly key: string
  /** curl's `sha256//…` of the server's public key. */
  readonly pin: string
}

const openssl = (dir: string, args: readonly string[]): void => {
  const done = Bun.spawnSync(['openssl', ...args], { cwd: dir, stderr: 'pipe' })
  if (!done.success) throw new Error(`openssl ${args[0]}: ${done.stderr.toString().trim()}`)
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const isAddress = (name: string): boolean => /^[\d.]+$|:/.test(name)

const make = (dir: string, names: readonly string[]): void => {
  const alternatives = names.map((name) => `${isAddress(name) ? 'IP' : 'DNS'}:${name}`).join(',')
  const authority = ['-x509', ...newKey, '-days', '3650', '-subj', '/CN=stand-in authority']
  const usage = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign']
  openssl(dir, ['req', ...authority, ...usage, '-keyout', 'ca.key', '-out', 'ca.pem'])
  openssl(dir, ['req', '-new', ...newKey, '-subj', `/CN=${names[0]}`, '-keyout', 'server.key', '-out', 'server.csr'])
  writeFileSync(join(dir, 'server.ext'), `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\n`)
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '3650', '-extfile', 'server.ext']
  openssl(dir, ['x509', '-req', '-in', 'server.csr', ...signed, '-out', 'server.pem'])
  writeFileSync(join(dir, 'names'), names.join('\n'))
}

/** Makes the files in `dir`, or takes those of an earlier run for the same names. */
export const serverIdentity = (dir: string, names: readonly string[]): ServerIdentity => {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const read = (name: string): string => readFileSync(join(dir, name), 'utf8')
  if (!existsSync(join(dir, 'names')) || read('names') !== names.join('\n')) make(dir, names)
  const cert = read('server.pem')
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  return {
    caPath: join(dir, 'ca.pem'),
    caPem: read('ca.pem'),
    cert,
    key: read('server.key'),
    pin: `sha256//${createHash('sha256').update(spki).digest('base64')}`,
  }
}
