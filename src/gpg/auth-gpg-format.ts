// ~/.auth_gpg of the PAM module "Trex", in both of its formats: four words and the two files of TLS, or, later, two
// words and the two files.

export type WebVariant = 'webQrAuthTls' | 'webQrNoAuthTls' | 'webQrAuthNoTls' | 'webQrNoAuthNoTls'

export type AuthGpg = {
  /** Whose key: an address, or a fingerprint. */
  readonly to: string
  /** Whether the key counts although gpg does not know it to be trusted. The later format always means yes. */
  readonly isTrusted: boolean
  /** Whose key signs the challenge. */
  readonly signAs: string | undefined
  /** Every other word means: no page. */
  readonly web: WebVariant | undefined
  readonly tls: { readonly key: string; readonly certificate: string } | undefined
}

const variants: readonly string[] = ['webQrAuthTls', 'webQrNoAuthTls', 'webQrAuthNoTls', 'webQrNoAuthNoTls']
const isVariant = (word: string | undefined): word is WebVariant => variants.includes(word ?? '')

/** The first line that says something counts. A text says what is wrong with it. */
export function parseAuthGpg(text: string): AuthGpg | { readonly problem: string } {
  const line = text.split('\n').find((one) => !/^\s*(#|$)/.test(one))
  if (line === undefined) return { problem: 'it says nothing' }
  if (line.length > 2048 || /[^\t\r -~]/.test(line)) return { problem: 'its first line holds more than plain text' }
  const words = line.trim().split(/\s+/)
  const isSeed = words[1] === 'trust' || words[1] === 'notrust'
  const [to = '', ...rest] = words
  const [sign, web, key, certificate, ...more] = isSeed ? rest.slice(1) : [undefined, ...rest]
  if (!/^[^\s<>()"',;:\\]+@[^\s<>()"',;:\\@]+$/.test(to) && !/^(0x)?([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$/.test(to))
    return { problem: 'its first word is no address and no fingerprint' }
  if (isSeed && sign === undefined)
    return { problem: 'after trust or notrust the word nosign, or a signer, is missing' }
  if (web === undefined) return { problem: 'the word about the web page is missing' }
  if (more.length > 0) return { problem: 'it has more words than either format' }
  const needsTls = web === 'webQrAuthTls' || web === 'webQrNoAuthTls'
  if (needsTls && (key === undefined || certificate === undefined))
    return { problem: `${web} needs a key file and a certificate` }
  return {
    to,
    isTrusted: words[1] !== 'notrust',
    signAs: sign === 'nosign' ? undefined : sign,
    web: isVariant(web) ? web : undefined,
    tls: needsTls ? { key: key!, certificate: certificate! } : undefined,
  }
}

/** Whether this user id is the one that the file names; case does not count in an address. */
export const namesAddress = (userId: string, to: string): boolean => {
  const address = /<([^<>]*)>\s*$/.exec(userId)?.[1] ?? userId
  return address.trim().toLowerCase() === to.toLowerCase()
}
