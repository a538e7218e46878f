// Certificates around a good bastion token that ob proxy would never make.
import { utf8 } from '../../src/base/bytes.ts'
import { makeCarrier, openHopKey } from '../../src/bastion/carrier.ts'
import {
  attachSignature,
  type CertificateBody,
  formatCertificateBody,
  optionValue,
  parseCertificate,
} from '../../src/ssh/certificate-format.ts'
import { carrierExtension } from '../../src/ssh/proof.ts'

export type Forgery = {
  /** The certificate, as it goes over the wire. */
  readonly blob: Uint8Array<ArrayBuffer>
  /** Of its key, which a client needs to prove it. */
  readonly seed: Uint8Array
}

type Changes = {
  readonly fields?: (body: CertificateBody) => Partial<CertificateBody>
  /** Changed in place, before they are signed. */
  readonly bytes?: (signed: Uint8Array) => void
  /** The key that signs, where it is not the key itself. */
  readonly signer?: Uint8Array
}

/** A key made for this, and its certificate with the token, changed and signed again. */
async function forge(token: string, user: string, { fields, bytes, signer }: Changes): Promise<Forgery> {
  const seed = crypto.getRandomValues(new Uint8Array(32))
  const key = await openHopKey(seed)
  const made = parseCertificate(await makeCarrier(key, { token, user, nonce: seed.toReversed() }))
  if ('problem' in made) throw new Error(made.problem)
  const signed = formatCertificateBody({ ...made.body, ...fields?.(made.body) })
  bytes?.(signed)
  const by = signer === undefined ? key : await openHopKey(signer)
  return { blob: attachSignature(signed, await by.sign(signed)), seed }
}

const strangerSeed = new Uint8Array(32).fill(200)
const stranger = await openHopKey(strangerSeed)

// Of the same length, and the next in order: the first is renamed to the second once both are there.
const neighbour = carrierExtension.replace(/o$/, 'p')

const tokenOf = ({ extensions }: CertificateBody): Uint8Array => extensions.get(carrierExtension)!

const twice: Changes = {
  fields: (body) => ({ extensions: new Map([...body.extensions, [neighbour, tokenOf(body)]]) }),
  bytes: (signed) => signed.set(utf8(carrierExtension), Buffer.from(signed).indexOf(neighbour)),
}

const asCriticalOption: Changes = {
  fields: (body) => ({ criticalOptions: new Map([[carrierExtension, tokenOf(body)]]), extensions: new Map() }),
}

const withCriticalOption = (name: string, value: Uint8Array): Changes => ({
  fields: () => ({ criticalOptions: new Map([[name, value]]) }),
})

export type Row = {
  readonly name: string
  readonly make: (token: string, user: string) => Promise<Forgery>
  /** What syslog says of it on the backend. */
  readonly refusal: string
  /** The stock client cannot read it either, so it never sends it. */
  readonly unreadable?: true
}

const isRefused = 'the hop of USER is refused: hop-certificate'
const isNotRead = 'the key that is offered for USER cannot be read: '

const row = (name: string, changes: Changes, refusal = isRefused): Row => ({
  name,
  make: (token, user) => forge(token, user, changes),
  refusal,
})

export const forgeries: readonly Row[] = [
  row('the token twice', twice, `${isNotRead}an option is there twice`),
  row('the token as a critical option', asCriticalOption),
  row('an unknown critical option', withCriticalOption('x@example.com', new Uint8Array())),
  row('a command that must be run', withCriticalOption('force-command', optionValue('id'))),
  row('a certificate for a host', { fields: () => ({ type: 'host' }) }),
  row('a certificate that another key signed', {
    fields: () => ({ signatureKeyBlob: stranger.blob }),
    signer: strangerSeed,
  }),
  {
    name: 'a certificate that a certificate signed',
    make: async (token, user) => {
      const { blob, seed } = await forge(token, user, {})
      return forge(token, user, { fields: () => ({ signatureKeyBlob: blob }), signer: seed })
    },
    refusal: `${isNotRead}the key that signed: a certificate, not a key`,
    unreadable: true,
  },
]
