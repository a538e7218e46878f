// What hosts send, in both languages: ob weblogin's own and that of pam-weblogin. Strict: what is not understood is not
// guessed.

import * as v from 'valibot'
import { parseFingerprint, parseLoginName } from '../base/names.ts'
import { isSession, parseHostName } from './identifiers-format.ts'
import type { Request } from './transactions.ts'

const checked = <T>(rule: string, parse: (text: string) => T | undefined) =>
  v.pipe(
    v.string(),
    v.check((text) => parse(text) !== undefined, rule),
  )

const loginName = checked('user must be a login name, and not root', (text) =>
  text === 'root' ? undefined : parseLoginName(text),
)
const service = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,64}$/, 'service must be the name of a PAM service'))
const address = v.pipe(v.string(), v.regex(/^[!-~]{0,255}$/, 'rhost must be an address, or empty'))

const startSchema = v.object({
  user: v.optional(loginName),
  account: v.optional(loginName),
  service,
  host: checked('host must be a host name', parseHostName),
  host_group: v.optional(v.pipe(v.string(), v.maxLength(64, 'host_group is too long'))),
  rhost: address,
  key_fingerprint: v.optional(checked('key_fingerprint must be SHA256:…', parseFingerprint)),
  key_type: v.optional(v.pipe(v.string(), v.regex(/^[\w@.-]{1,64}$/, 'key_type must be the name of a key type'))),
  approval_seconds: v.optional(
    v.pipe(v.number('approval_seconds must be a number'), v.integer(), v.minValue(0), v.maxValue(604_800)),
  ),
})

export type Read<T> = { readonly value: T } | { readonly problem: string }

export type StartRequest = { readonly host: string; readonly hostGroup: string; readonly request: Request }

export function parseStart(body: unknown): Read<StartRequest> {
  const read = v.safeParse(startSchema, body)
  if (!read.success) return { problem: problemIn(read.issues) }
  const { user, account, host, host_group, rhost, key_fingerprint, key_type, approval_seconds } = read.output
  if (user === undefined && account === undefined) return { problem: 'user or account must be there' }
  return {
    value: {
      host: host.toLowerCase(),
      hostGroup: host_group ?? '',
      request: {
        login: user ?? '',
        account: account ?? '',
        service: read.output.service,
        rhost,
        keyFingerprint: key_fingerprint ?? '',
        keyType: key_type ?? '',
        approvalSeconds: approval_seconds ?? 0,
      },
    },
  }
}

const checkSchema = v.object({
  session: checked('session must be the one that start gave', (text) => (isSession(text) ? text : undefined)),
  code: v.pipe(v.string('code must be a text'), v.maxLength(64, 'code must be at most 64 characters')),
})

export type CheckRequest = { readonly session: string; readonly typed: string }

export function parseCheck(body: unknown): Read<CheckRequest> {
  const read = v.safeParse(checkSchema, body)
  return read.success
    ? { value: { session: read.output.session, typed: read.output.code } }
    : { problem: problemIn(read.issues) }
}

// pam-weblogin sends all values as texts; what the code is called and typed varies with the version.
const moduleStartSchema = v.object({
  user_id: v.optional(loginName),
  rhost: v.optional(address),
})

export function parseModuleStart(body: unknown): Read<Request> {
  const read = v.safeParse(moduleStartSchema, body)
  if (!read.success) return { problem: problemIn(read.issues) }
  const { user_id, rhost } = read.output
  if (user_id === undefined) return { problem: 'user_id must be there: the flag pam_user is not supported' }
  const nothing = { account: '', keyFingerprint: '', keyType: '', approvalSeconds: 0 }
  return { value: { ...nothing, login: user_id, service: 'sshd', rhost: rhost ?? '' } }
}

const moduleCheckSchema = v.object({
  session_id: checked('session_id must be the one that start gave', (text) => (isSession(text) ? text : undefined)),
  pin: v.union([v.pipe(v.string(), v.maxLength(64)), v.number()]),
})

export function parseModuleCheck(body: unknown): Read<CheckRequest> {
  const read = v.safeParse(moduleCheckSchema, body)
  return read.success
    ? { value: { session: read.output.session_id, typed: String(read.output.pin) } }
    : { problem: problemIn(read.issues) }
}

const problemIn = (issues: readonly v.BaseIssue<unknown>[]): string => {
  const [first] = issues
  const where = first?.path?.map(({ key }) => String(key)).join('.') ?? ''
  return first?.type === 'check' || first?.type === 'regex'
    ? first.message
    : `${where || 'the body'} is not as it must be`
}
