// The page that shows one challenge in a browser: what its process is told, and what it answers. No script, nothing to
// fetch from elsewhere, nothing to keep.
import * as v from 'valibot'
import { decodeUtf8, equalBytes, sha256, utf8 } from '../base/bytes.ts'

/** What the process without rights gets on standard input. */
export type PageOrder = {
  readonly armored: string
  readonly address: string
  readonly firstPort: number
  readonly lastPort: number
  readonly seconds: number
  /** Whose login it is: the page ends with that process. */
  readonly caller: string
  readonly login?: { readonly user: string; readonly password: string } | undefined
  readonly tls?: { readonly key: string; readonly certificate: string } | undefined
}

const text = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most))
const port = () => v.pipe(v.number(), v.integer(), v.minValue(1024), v.maxValue(65535))
const shape = () =>
  v.strictObject({
    armored: text(65_536),
    address: text(255),
    firstPort: port(),
    lastPort: port(),
    seconds: v.pipe(v.number(), v.minValue(1), v.maxValue(3600)),
    caller: text(255),
    login: v.optional(v.strictObject({ user: text(64), password: text(64) })),
    tls: v.optional(v.strictObject({ key: text(65_536), certificate: text(262_144) })),
  })

export const formatPageOrder = (order: PageOrder): string => JSON.stringify(order)

export function parsePageOrder(bytes: Uint8Array): PageOrder | undefined {
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), shape()), decodeUtf8(bytes) ?? '')
  return read.success ? read.output : undefined
}

/** What the process says when it listens. */
export type PageReady = { readonly port: number; readonly pid: number }

export function parsePageReady(said: string): PageReady | undefined {
  const whole = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least))
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), v.strictObject({ port: whole(1), pid: whole(2) })), said)
  return read.success ? read.output : undefined
}

/** RFC 7617: the credentials that the session showed. The comparison takes the same time whatever differs. */
export function isAuthorized(header: string | null, login: PageOrder['login']): boolean {
  if (login === undefined) return true
  const wanted = `Basic ${utf8(`${login.user}:${login.password}`).toBase64()}`
  return equalBytes(sha256(header ?? ''), sha256(wanted))
}

export const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
}

/** The drawing is ours; everything in the message is letters, digits and dashes. */
export const formatPage = (armored: string, drawing: string): string => `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Challenge</title></head>
<body>
<h1>Decrypt this with your OpenPGP key</h1>
<p>Then type the code that is in it into your terminal. If you did not start a login there, stop.</p>
${drawing}
<pre>${armored.replace(/[&<>]/g, '?')}</pre>
</body>
</html>
`
