// The recorded exchanges, the portals that they are replayed on, and the recorded identifiers with their live ones.
import { generateKeyPairSync } from 'node:crypto'
import { createPortal, type Portal } from './portal.ts'

export type Recorded = {
  readonly id: string
  readonly section: string
  readonly title: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
  }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly json?: unknown
    readonly body?: string
  }
}

const vectors = new URL('../vectors/portal-exchanges.json', import.meta.url)
export const exchanges = (await Bun.file(vectors).json()) as readonly Recorded[]

const recordedAt = 1_795_307_527
export const main = 'https://auth.example.test:19081'
const plain = 'http://auth.example.test:19080'
const strict = 'https://auth.example.test:19082'

export const clientKey = generateKeyPairSync('rsa', { modulusLength: 2048 })

export type Replay = {
  readonly portals: { readonly main: Portal; readonly strict: Portal }
  /** Recorded text to live text. */
  readonly live: Map<string, string>
  now: number
}

export const createReplay = (): Replay => {
  const replay: Replay = {
    now: recordedAt,
    live: new Map(),
    portals: {
      main: createPortal({
        url: main,
        aliases: [plain, 'https://127.0.0.1:19081'],
        now: () => replay.now,
        clients: {
          'pam-pkjwt': {
            secret: 'unused',
            method: 'jwt',
            owner: 'organization',
            deviceGrant: true,
            keys: [{ ...clientKey.publicKey.export({ format: 'jwk' }), kid: 'client-key-1' }],
          },
        },
      }),
      strict: createPortal({
        url: strict,
        now: () => replay.now,
        deviceSeconds: 30,
        interval: 2,
        accessSeconds: 20,
        voucherSeconds: 30,
        certificateSeconds: 60,
        pinSourceAddress: true,
        serverGroups: { 'pam-access': 'bastion' },
      }),
    },
  }
  return replay
}

export const originOf = (id: string): string => {
  if (id === '1.3' || id.startsWith('16.')) return plain
  return id.startsWith('15.') ? strict : main
}

export const portalOf = (replay: Replay, id: string): Portal =>
  originOf(id) === strict ? replay.portals.strict : replay.portals.main

export const translate = (replay: Replay, text: string): string => {
  let out = text
  for (const [recorded, live] of replay.live) out = out.replaceAll(recorded, live)
  return out
}

export const requestOf = (replay: Replay, { id, request }: Recorded): Request => {
  const origin = id === '16.260' ? 'https://127.0.0.1:19081' : originOf(id)
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, translate(replay, value)]),
  )
  const body = request.body === undefined ? null : translate(replay, request.body)
  return new Request(`${origin}${translate(replay, request.path)}`, { method: request.method, headers, body })
}

const learned =
  /^(?:[0-9a-f]{64}|\d{10}_\d+|[B-Z]{4}-[B-Z]{4}|eyJ[\w.-]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{19}|.*-\d{10}-\d{19}|[0-9a-f]{32})$/

export const learn = (replay: Replay, recorded: unknown, live: unknown): void => {
  if (typeof recorded === 'string' && typeof live === 'string') {
    // Lists come in any order: the first meeting counts.
    if (recorded === live || replay.live.has(recorded) || !learned.test(recorded)) return
    replay.live.set(recorded, live)
    if (recorded[4] === '-') replay.live.set(recorded.replace('-', ''), live.replace('-', ''))
    return
  }
  if (typeof recorded !== 'object' || recorded === null || typeof live !== 'object' || live === null) return
  const other = new Map(Object.entries(live))
  for (const [name, value] of Object.entries(recorded)) learn(replay, value, other.get(name))
}

export const formToken = /name="token" value="(\d+_\d+)"/
