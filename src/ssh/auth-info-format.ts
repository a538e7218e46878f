// SSH_AUTH_INFO_0: the methods that sshd completed, one a line (sshd's auth2_update_session_info).
import { type Problem, type PublicKey, parsePublicKeyLine } from './wire.ts'

export type ProvenMethod = {
  /** As sshd names it, with its submethod: `publickey`, `password`, `keyboard-interactive/pam`. */
  readonly method: string
  readonly key?: PublicKey
}
export type AuthInfo = { readonly methods: readonly ProvenMethod[] }

const keyMethods = ['publickey', 'hostbased']

function parseMethod(line: string): ProvenMethod | Problem {
  const match = /^([a-z0-9@.-]+(?:\/[a-z0-9@.-]+)?)(?: (.+))?$/.exec(line)
  if (match === null) return { problem: 'a line is not a method' }
  const [, method = '', rest] = match
  // gssapi-with-mic may be followed by a principal; only keys are read further.
  if (!keyMethods.includes(method)) return { method }
  if (rest === undefined || !/^\S+ \S+$/.test(rest)) return { problem: `${method} has no key beside it` }
  const parsed = parsePublicKeyLine(rest)
  return 'problem' in parsed ? { problem: `the key of ${method}: ${parsed.problem}` } : { method, key: parsed.key }
}

/** The methods in the order they were completed; empty text, as in the account phase, holds none. */
export function parseAuthInfo(text: string): AuthInfo | Problem {
  if (text === '') return { methods: [] }
  // A text without its last newline was cut.
  if (!text.endsWith('\n')) return { problem: 'the last line is not complete' }
  const methods: ProvenMethod[] = []
  for (const line of text.slice(0, -1).split('\n')) {
    const method = parseMethod(line)
    if ('problem' in method) return method
    methods.push(method)
  }
  return { methods }
}

const formatMethod = (proven: ProvenMethod): string =>
  proven.key === undefined ? proven.method : `${proven.method} ${proven.key.type} ${proven.key.blob.toBase64()}`

/** The text sshd would write. */
export const formatAuthInfo = (info: AuthInfo): string =>
  info.methods.map((method) => `${formatMethod(method)}\n`).join('')
