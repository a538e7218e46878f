// Varlink (https://varlink.org): JSON objects on a stream, each followed by a NUL byte.
import { concat, decodeUtf8, utf8 } from '../base/bytes.ts'

export type Call = {
  readonly method: string
  readonly parameters: Readonly<Record<string, unknown>>
  /** The caller takes several replies. */
  readonly more: boolean
  /** The caller wants none. */
  readonly oneway: boolean
}

/** The complete messages at the front, and the bytes of an incomplete one after them. */
export function splitMessages(bytes: Uint8Array<ArrayBuffer>): {
  readonly messages: readonly Uint8Array<ArrayBuffer>[]
  readonly rest: Uint8Array<ArrayBuffer>
} {
  const messages: Uint8Array<ArrayBuffer>[] = []
  let start = 0
  for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
    messages.push(bytes.subarray(start, end))
    start = end + 1
  }
  return { messages, rest: bytes.subarray(start) }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isMethod = (text: string): boolean => /^[A-Za-z][A-Za-z0-9.-]{0,254}$/.test(text)

/** The call, or undefined when the text is no call. */
export function parseCall(message: Uint8Array): Call | undefined {
  const text = decodeUtf8(message)
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(value)) return undefined
  const { method, parameters = {}, more = false, oneway = false } = value as Record<string, unknown>
  if (typeof method !== 'string' || !isMethod(method) || !isObject(parameters)) return undefined
  if (typeof more !== 'boolean' || typeof oneway !== 'boolean') return undefined
  return { method, parameters, more, oneway }
}

const message = (value: object): Uint8Array<ArrayBuffer> => concat(utf8(JSON.stringify(value)), Uint8Array.of(0))

export const formatCall = ({ method, parameters, more }: Pick<Call, 'method' | 'parameters' | 'more'>) =>
  message(more ? { method, parameters, more } : { method, parameters })

/** One of several replies says that others follow. */
export const formatReply = (parameters: object, continues: boolean): Uint8Array<ArrayBuffer> =>
  message(continues ? { parameters, continues } : { parameters })

export const formatError = (error: string, parameters: object = {}): Uint8Array<ArrayBuffer> =>
  message({ error, parameters })
