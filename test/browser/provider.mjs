// A certified OpenID provider that is not ours (npm's oidc-provider), as a process of its own: it can be stopped, killed
// and given new keys. usage: bun provider.mjs '{"port":…,"clients":[…],"people":{…}}'; prints "ready".
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const { port, clients, people, acr, kid } = JSON.parse(process.argv[2])
const issuer = `http://127.0.0.1:${port}`

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

const configuration = {
  clients: clients.map((client) => ({
    grant_types: ['authorization_code'],
    response_types: ['code'],
    backchannel_logout_session_required: true,
    ...client,
  })),
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: kid ?? 'first' }] },
  cookies: { keys: ['only for tests'] },
  claims: {
    openid: ['sub', 'sid', 'auth_time', 'acr'],
    profile: ['preferred_username', 'name', 'groups', 'roles'],
    email: ['email', 'email_verified'],
  },
  acrValues: ['urn:test:mfa', 'urn:test:password'],
  // Everybody types a name; what is known of it is told. A name that nobody knows is a person without claims.
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true }, userinfo: { enabled: true } },
  conformIdTokenClaims: false,
  ttl: { Session: 3600, Grant: 3600, Interaction: 600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
  ...(acr ? { acr } : {}),
  // Its guard against requests to private addresses would refuse the service under test.
  fetch: (url, options) =>
    globalThis.fetch(url, { ...options, dispatcher: undefined, tls: { rejectUnauthorized: false } }),
}

const provider = new Provider(issuer, configuration)
provider.on('server_error', (_ctx, error) => console.error(error))
provider.on('backchannel.error', (_ctx, error) => console.error(`backchannel: ${error.message}`))
createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log('ready'))
