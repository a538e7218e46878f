// Everything that can go wrong between a portal and its client, on request.
export type FaultKind =
  | 'none'
  | 'slow'
  | 'down'
  | 'html'
  | 'truncated-json'
  | 'wrong-member'
  | 'oversize'
  | 'dribble'
  | 'gzip-bomb'
  | 'redirect'
  | 'reset'
  | 'empty'
  | 'text-json'

export type Fault = {
  readonly kind: FaultKind
  /** Only this path; without it every path. */
  readonly path?: string
  /** How many requests it hits; without it all until `none` or a reset. */
  readonly times?: number
  /** slow: before the answer (30). dribble: before each byte (0.2). */
  readonly seconds?: number
  /** down: this object as JSON instead of a page, as the plugin refuses. */
  readonly body?: unknown
  /** down: 503 unless given. */
  readonly status?: number
  /**
   * wrong-member: this member, `outer.inner` for one further in, gets `value`, or goes away; without it the answer's
   * verdict gets a wrong type.
   */
  readonly member?: string
  /** wrong-member: it is there twice, and the wrong one stands first or last. */
  readonly twice?: 'first' | 'last'
  readonly value?: unknown
  /** redirect: where to. */
  readonly location?: string
  /** down, html, redirect, reset, empty: the portal did the work and only its answer is lost. */
  readonly processed?: boolean
}

/** Thrown instead of an answer; the server turns it into a connection that breaks off. */
export const connectionReset = (): Error => Object.assign(new Error('connection reset'), { code: 'ECONNRESET' })

const isReplacement = (kind: FaultKind): boolean => ['down', 'html', 'redirect', 'reset', 'empty'].includes(kind)

const replacement = (fault: Fault): Response => {
  const html = { 'content-type': 'text/html' }
  if (fault.kind === 'reset') throw connectionReset()
  if (fault.kind === 'html')
    return new Response('<html><title trspan="authPortal">Authentication portal</title></html>', { headers: html })
  if (fault.kind === 'redirect') {
    return new Response(null, {
      status: 302,
      headers: { location: fault.location ?? 'https://elsewhere.example.test/' },
    })
  }
  if (fault.kind === 'empty') {
    return new Response('', { headers: { 'content-type': 'application/json; charset=utf-8', 'content-length': '0' } })
  }
  const status = fault.status ?? 503
  if (fault.body !== undefined) return Response.json(fault.body, { status })
  return new Response(`<html><body><h1>${status}</h1></body></html>`, {
    status,
    headers: { ...html, 'retry-after': '5' },
  })
}

const verdicts = ['authorized', 'valid', 'found', 'active', 'access_token', 'device_code', 'status', 'token', 'error']

const twiceMark = 'twice'

const spoil = (body: string, fault: Fault): string => {
  // Only ever an answer of this portal: an object.
  const value = JSON.parse(body) as Record<string, unknown>
  const member = fault.member ?? verdicts.find((name) => Object.hasOwn(value, name)) ?? 'error'
  const wrong = typeof value[member] === 'string' ? 42 : String(value[member])
  const inner = member.split('.')
  const name = inner.pop() ?? member
  const holder = inner.reduce((object, part) => object[part] as Record<string, unknown>, value)
  if (fault.twice !== undefined) {
    const both = [holder[name], fault.value].map((one) => JSON.stringify(one))
    if (fault.twice === 'first') both.reverse()
    holder[name] = twiceMark
    const pair = both.map((one) => `${JSON.stringify(name)}:${one}`).join()
    return JSON.stringify(value).replace(`${JSON.stringify(name)}:${JSON.stringify(twiceMark)}`, pair)
  }
  if (fault.member !== undefined && !Object.hasOwn(fault, 'value')) delete holder[name]
  else holder[name] = Object.hasOwn(fault, 'value') ? fault.value : wrong
  return JSON.stringify(value)
}

const dribble = (bytes: Uint8Array, seconds: number): ReadableStream<Uint8Array> => {
  let at = 0
  return new ReadableStream({
    async pull(controller) {
      await new Promise((done) => setTimeout(done, seconds * 1000))
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, at + 1))
      at += 1
    },
  })
}

const blanks = 64 * 1024 * 1024
const padding = 'x'.repeat(300 * 1024)

const mangle = async (answer: Response, fault: Fault): Promise<Response> => {
  const body = Buffer.from(await answer.arrayBuffer())
  const headers = new Headers(answer.headers)
  const again = (content: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>): Response =>
    new Response(content, { status: answer.status, headers })
  if (fault.kind === 'truncated-json') return again(body.subarray(0, body.length >> 1))
  if (fault.kind === 'dribble') return again(dribble(body, fault.seconds ?? 0.2))
  if (fault.kind === 'gzip-bomb') {
    headers.set('content-encoding', 'gzip')
    return again(Bun.gzipSync(Buffer.concat([body, Buffer.alloc(blanks, ' ')])))
  }
  // What is no JSON, a key or a revocation list, is only ever padded by the rest.
  const isJson = (headers.get('content-type') ?? '').startsWith('application/json')
  if (fault.kind === 'oversize') {
    return again(
      isJson ? body.toString().replace(/\}$/, `,"padding":"${padding}"}`) : body.toString('latin1') + padding,
    )
  }
  if (!isJson) return again(body)
  if (fault.kind === 'wrong-member') return again(spoil(body.toString(), fault))
  headers.set('content-type', 'text/plain')
  return again(body)
}

/** Answers through the fault, or as usual when there is none. */
export const throughFault = async (
  fault: Fault | undefined,
  signal: AbortSignal,
  answer: () => Promise<Response>,
): Promise<Response> => {
  if (fault === undefined) return answer()
  if (fault.kind === 'slow') {
    await pauseUnlessGone(fault.seconds ?? 30, signal)
    return answer()
  }
  if (!isReplacement(fault.kind)) return mangle(await answer(), fault)
  if (fault.processed) await answer()
  return replacement(fault)
}

const pauseUnlessGone = (seconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    const timer = setTimeout(done, seconds * 1000)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      done()
    })
  })

/** The armed faults; the newest that fits a path wins. */
export const createFaults = () => {
  let armed: { readonly fault: Fault; left: number }[] = []
  return {
    arm: (fault: Fault): void => {
      if (fault.kind === 'none') {
        armed = fault.path === undefined ? [] : armed.filter((entry) => entry.fault.path !== fault.path)
        return
      }
      armed.unshift({ fault, left: fault.times ?? Number.POSITIVE_INFINITY })
    },
    take: (path: string): Fault | undefined => {
      const entry = armed.find(({ fault }) => fault.path === undefined || fault.path === path)
      if (entry === undefined) return undefined
      entry.left -= 1
      if (entry.left <= 0) armed = armed.filter((other) => other !== entry)
      return entry.fault
    },
  }
}
