// Throw-away authorities and certificates of every kind that a client must tell apart, made with openssl(1).
import { createHash, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type Issued = {
  /** Paths for openssl s_server. */
  readonly cert: string
  readonly key: string
  /** Certificates between this one and the root. */
  readonly chain: string
  readonly certPem: string
  readonly keyPem: string
  /** curl's `sha256//…` of the public key. */
  readonly pin: string
}

export type Wanted = {
  readonly names?: readonly string[]
  /** Days from now; negative is past. */
  readonly from?: number
  readonly until?: number
  readonly usage?: string
  /** Signed by an intermediate of this authority. */
  readonly below?: boolean
}

export type Authority = {
  readonly pem: string
  readonly issue: (name: string, wanted?: Wanted) => Issued
  readonly selfSigned: (name: string) => Issued
}

const config = `
[ca]
default_ca = any
[any]
new_certs_dir = .
database = index.txt
serial = serial
default_md = sha256
policy = loose
unique_subject = no
email_in_dn = no
[loose]
commonName = supplied
`

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const isAddress = (name: string): boolean => /^[\d.]+$|:/.test(name)
const subjectAltName = (names: readonly string[]): string =>
  `subjectAltName=${names.map((name) => `${isAddress(name) ? 'IP' : 'DNS'}:${name}`).join(',')}`

const day = 86_400_000
const stamp = (days: number): string =>
  `${new Date(Date.now() + days * day).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`

export function makeAuthority(dir: string): Authority {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const openssl = (...args: readonly string[]): void => {
    const done = Bun.spawnSync(['openssl', ...args], { cwd: dir, stderr: 'pipe' })
    if (!done.success) throw new Error(`openssl ${args[0]}: ${done.stderr.toString().trim()}`)
  }
  const read = (name: string): string => readFileSync(join(dir, name), 'utf8')
  const write = (name: string, text: string): void => writeFileSync(join(dir, name), text)
  const isAuthority = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign'
  write('ca.cnf', config)
  write('index.txt', '')
  write('serial', '1000')
  const root = ['-x509', ...newKey, '-days', '3650', '-subj', '/CN=root of a test']
  const additions = isAuthority.split('\n').flatMap((line) => ['-addext', line])
  openssl('req', ...root, ...additions, '-keyout', 'root.key', '-out', 'root.pem')

  const sign = (name: string, issuer: string, extensions: string, dates: readonly string[]): void => {
    write(`${name}.ext`, extensions)
    openssl('req', '-new', ...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    const by = ['-cert', `${issuer}.pem`, '-keyfile', `${issuer}.key`, '-extfile', `${name}.ext`, ...dates]
    openssl('ca', '-config', 'ca.cnf', '-batch', '-notext', ...by, '-in', `${name}.csr`, '-out', `${name}.pem`)
  }
  const dates = (from: number, until: number) => ['-startdate', stamp(from), '-enddate', stamp(until)]
  sign('intermediate', 'root', isAuthority, dates(-1, 365))

  const issued = (name: string): Issued => {
    const spki = new X509Certificate(read(`${name}.pem`)).publicKey.export({ type: 'spki', format: 'der' })
    return {
      cert: join(dir, `${name}.pem`),
      key: join(dir, `${name}.key`),
      chain: join(dir, 'intermediate.pem'),
      certPem: read(`${name}.pem`),
      keyPem: read(`${name}.key`),
      pin: `sha256//${createHash('sha256').update(spki).digest('base64')}`,
    }
  }
  return {
    pem: read('root.pem'),
    issue: (
      name,
      { names = ['localhost', '127.0.0.1', '::1'], from = -1, until = 30, usage = 'serverAuth', below } = {},
    ) => {
      const alternatives = names.length === 0 ? '' : `${subjectAltName(names)}\n`
      sign(name, below ? 'intermediate' : 'root', `${alternatives}extendedKeyUsage=${usage}\n`, dates(from, until))
      return issued(name)
    },
    selfSigned: (name) => {
      const extension = ['-addext', subjectAltName(['localhost', '127.0.0.1', '::1'])]
      const self = ['-x509', ...newKey, '-days', '30', '-subj', `/CN=${name}`, ...extension]
      openssl('req', ...self, '-keyout', `${name}.key`, '-out', `${name}.pem`)
      return issued(name)
    },
  }
}
