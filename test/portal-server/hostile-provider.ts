// An OpenID provider as the network shows it, honest until a test says otherwise: what it answers may be forged, stale,
// late, huge or missing. For what a provider that is not ours really does, see test/browser/.
import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose'

export const issuer = 'https://idp.example'
export const clientId = 'ob-portal'

type Keys = Awaited<ReturnType<typeof generateKeyPair>>

/** Made once: each takes a quarter of a second. */
const ready: Promise<readonly Keys[]> = Promise.all(Array.from({ length: 3 }, () => generateKeyPair('RS256')))

export type Behaviour = {
  /** The claims of the person that signs in. */
  person: Record<string, unknown>
  /** Changes the ID token before it is signed. */
  idToken: (claims: JWTPayload) => JWTPayload
  header: Partial<JWTHeaderParameters>
  /** Signs with a key that the provider does not publish. */
  foreignKey: boolean
  /** Instead of the signed token. */
  rawToken: ((signed: string) => string) | undefined
  /** Answers for a path, instead of the honest ones. */
  answers: Record<string, (() => Response | Promise<Response>) | undefined>
  userinfo: Record<string, unknown> | undefined
  /** Members besides, in an answer of the token endpoint that is honest otherwise. */
  padding: Record<string, unknown>
  discovery: Record<string, unknown>
}

export async function hostileProvider(now: () => number) {
  const [first, second, stranger] = await ready
  let keys = first!
  let kid = 'one'
  const codes = new Map<string, { readonly nonce: string; readonly challenge: string }>()
  const requests: { readonly path: string; readonly body: URLSearchParams; readonly headers: Headers }[] = []
  const honest = (): Behaviour => ({
    person: { sub: 'sub-alice', preferred_username: 'alice', groups: ['ops'] },
    idToken: (claims) => claims,
    header: {},
    foreignKey: false,
    rawToken: undefined,
    answers: {},
    userinfo: undefined,
    padding: {},
    discovery: {},
  })
  const state = { behaviour: honest() }

  const sign = (claims: JWTPayload, typ?: string): Promise<string> => {
    const header = { alg: 'RS256', kid, ...(typ ? { typ } : {}), ...state.behaviour.header }
    return new SignJWT(claims)
      .setProtectedHeader(header)
      .sign((state.behaviour.foreignKey ? stranger! : keys).privateKey)
  }
  const json = (value: unknown, status = 200) => Response.json(value, { status })

  const token = async (body: URLSearchParams): Promise<Response> => {
    const code = codes.get(body.get('code') ?? '')
    const verifier = body.get('code_verifier') ?? ''
    const challenge = new Bun.CryptoHasher('sha256').update(verifier).digest('base64url')
    codes.delete(body.get('code') ?? '')
    if (!code || code.challenge !== challenge) return json({ error: 'invalid_grant' }, 400)
    const at = Math.floor(now())
    const { person, idToken, rawToken } = state.behaviour
    const claims = {
      iss: issuer,
      aud: clientId,
      iat: at,
      exp: at + 300,
      auth_time: at,
      sid: 'sid-1',
      nonce: code.nonce,
    }
    const signed = await sign(idToken({ ...claims, ...person }))
    return json({
      ...state.behaviour.padding,
      access_token: 'access',
      token_type: 'Bearer',
      expires_in: 300,
      id_token: rawToken?.(signed) ?? signed,
    })
  }

  const honestAnswer = async (path: string, body: URLSearchParams): Promise<Response> => {
    switch (path) {
      case '/.well-known/openid-configuration':
        return json({
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
          userinfo_endpoint: `${issuer}/userinfo`,
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256', 'none', 'HS256'],
          authorization_response_iss_parameter_supported: true,
          ...state.behaviour.discovery,
        })
      case '/jwks':
        return json({ keys: [{ ...(await exportJWK(keys.publicKey)), kid, alg: 'RS256', use: 'sig' }] })
      case '/token':
        return token(body)
      case '/userinfo':
        return json(state.behaviour.userinfo ?? { sub: state.behaviour.person['sub'] })
      default:
        return json({ error: 'not_found' }, 404)
    }
  }
  return {
    state,
    requests,
    reset: () => {
      state.behaviour = honest()
    },
    rotate: (): void => {
      keys = second!
      kid = `${kid}+`
    },
    sign,
    fetch: async (request: Request): Promise<Response> => {
      const path = new URL(request.url).pathname
      const body = new URLSearchParams(await request.text())
      requests.push({ path, body, headers: request.headers })
      const planted = state.behaviour.answers[path]
      return planted ? planted() : honestAnswer(path, body)
    },
    /** What the browser is sent back with after a sign-in. */
    authorize: (url: URL): URL => {
      const code = crypto.randomUUID()
      codes.set(code, {
        nonce: url.searchParams.get('nonce') ?? '',
        challenge: url.searchParams.get('code_challenge') ?? '',
      })
      const back = new URL(url.searchParams.get('redirect_uri') ?? '')
      back.search = new URLSearchParams({ code, state: url.searchParams.get('state') ?? '', iss: issuer }).toString()
      return back
    },
  }
}

export type HostileProvider = Awaited<ReturnType<typeof hostileProvider>>
