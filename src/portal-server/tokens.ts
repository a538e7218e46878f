// The secrets of a web login: handle, session, code, and what a browser keeps sealed or signed for us.
import { base64url, concat, decodeUtf8, equalBytes, hex, hmacSha256, sha256, utf8 } from '../base/bytes.ts'
import type { Parts } from '../base/world.ts'

type Random = Parts<'random'>

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** RFC 8628 §6.1: no vowels, so that no word comes out, and nothing that is read as something else. */
const codeLetters = 'BCDFGHJKLMNPQRSTVWXZ'

/** What stands in the address: 65 bits in 13 letters that a QR code holds cheaply and that may be upper case. */
export const newHandle = ({ random }: Random): string => [...random(13)].map((byte) => base32[byte & 31]!).join('')

/** 128 bits that only the host knows. */
export const newSession = ({ random }: Random): string => base64url(random(16))

/** Nine letters: 38.9 bits. */
export function newCode({ random }: Random): string {
  let code = ''
  while (code.length < 9)
    // The bytes above 239 would make some letters likelier than others.
    for (const byte of random(16)) if (byte < 240 && code.length < 9) code += codeLetters[byte % 20]
  return code
}

/** How secrets are stored: what is read from a database opens nothing. */
export const hashOf = (secret: string): string => hex(sha256(secret))

export type BrowserKey = {
  /** Text that a browser keeps for us: it can neither read nor change it. */
  readonly seal: (text: string, purpose: string) => Promise<string>
  readonly open: (sealed: string, purpose: string) => Promise<string | undefined>
  /** Proof that a form was made by us for this session and this purpose. */
  readonly sign: (session: string, purpose: string) => string
  readonly matches: (token: string, session: string, purpose: string) => boolean
}

export async function openBrowserKey({ random }: Random, key: Uint8Array<ArrayBuffer>): Promise<BrowserKey> {
  const name = 'AES-GCM'
  const sealing = await crypto.subtle.importKey('raw', hmacSha256(key, 'seal'), name, false, ['encrypt', 'decrypt'])
  const signing = hmacSha256(key, 'sign')
  const sign = (session: string, purpose: string): string =>
    base64url(hmacSha256(signing, JSON.stringify([session, purpose])))
  return {
    seal: async (text, purpose) => {
      const iv = random(12)
      const how = { name, iv, additionalData: utf8(purpose) }
      return base64url(concat(iv, new Uint8Array(await crypto.subtle.encrypt(how, sealing, utf8(text)))))
    },
    open: async (sealed, purpose) => {
      if (!/^[\w-]{40,4000}$/.test(sealed)) return undefined
      try {
        const bytes = Uint8Array.fromBase64(sealed, { alphabet: 'base64url' })
        const how = { name, iv: bytes.subarray(0, 12), additionalData: utf8(purpose) }
        return decodeUtf8(new Uint8Array(await crypto.subtle.decrypt(how, sealing, bytes.subarray(12))))
      } catch {
        // Not ours, changed, or sealed for something else.
        return undefined
      }
    },
    sign,
    matches: (token, session, purpose) => equalBytes(utf8(token), utf8(sign(session, purpose))),
  }
}
