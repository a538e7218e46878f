// What this program sends, beside what the C implementation sent: a portal must not be able to tell the difference
// where there is none, and each difference has its reason here.
import { expect, test } from 'bun:test'
import { parseFingerprint, parseLoginName } from '../../src/base/names.ts'
import { Secret } from '../../src/base/secret.ts'
import { checkConfig } from '../../src/config/load.ts'
import { openPortal } from '../../src/portal-client/endpoints.ts'
import { openPortalHttp } from '../../src/portal-client/portal-http.ts'
import { openTokens } from '../../src/portal-client/server-token.ts'
import { fakeWorld } from '../fakes/world.ts'
import { pem } from '../modes/host.ts'
import vectors from '../vectors/wire.json'

const serverToken = 'server-token-abcdef'

type Sent = { readonly method: string; readonly path: string; readonly body: unknown; readonly headers: Headers }

/** A portal that answers nothing of use, and what it was sent. */
function recorder(extra = '') {
  const checked = checkConfig(
    `portal_url = https://auth.example.test\nserver_group = prod\nclient_id = x\nca_cert = /ca.pem\n${extra}`,
  )
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  const { config } = checked
  const sent: Sent[] = []
  const tokens = { access_token: serverToken, expires_at: 3_780_000_000, refresh_token: 'r' }
  const plain = fakeWorld({
    files: { '/var/lib/open-bastion/token': JSON.stringify(tokens), '/ca.pem': pem },
    fetch: async (request) => {
      const { method, headers } = request
      sent.push({ method, path: new URL(request.url).pathname, body: JSON.parse(await request.text()), headers })
      return Response.json({})
    },
  })
  const world = { ...plain, hostname: () => vectors.hostname }
  return { sent, portal: openPortal(world, config, openPortalHttp(world, config), openTokens(world, config)) }
}

const requestsOf = (name: string) => {
  const capture = [...vectors.captures, ...vectors.nss].find((one) => one.name === name)
  if (!capture) throw new Error(`no capture is called ${name}`)
  return capture.requests
}

async function expectSame(name: string, { sent }: { readonly sent: readonly Sent[] }): Promise<void> {
  const captured = requestsOf(name)
  expect(sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual(
    captured.map(({ method, path, body }) => ({ method, path, body: JSON.parse(body) })),
  )
  for (const [at, { headers }] of sent.entries()) {
    const theirs = captured[at]!.headers
    expect(theirs).toContain(`Authorization: ${headers.get('authorization')}`)
    expect(theirs).toContain(`Content-Type: ${headers.get('content-type')}`)
  }
}

test.each(vectors.captures.filter(({ requests }) => requests.some(({ path }) => path === '/pam/verify')))(
  'verify, $name: the same request for the same token',
  async ({ name, requests }) => {
    const request = requests.find(({ path }) => path === '/pam/verify')!
    const { token, ...more } = JSON.parse(request.body) as Record<string, string>
    const recorded = recorder()
    await recorded.portal.verify(new Secret(token!))
    expect(recorded.sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual([
      { method: 'POST', path: '/pam/verify', body: { token } },
    ])
    // The key of this phase is not proven yet, so nothing about it is sent here.
    expect([name, Object.keys(more)]).toEqual([name, name === 'verify, certificate login' ? ['fingerprint'] : []])
  },
)

const alice = parseLoginName('alice')!

test('authorize: the same request, for a plain key', async () => {
  const recorded = recorder()
  await recorded.portal.authorize({ user: alice, service: 'sshd' })
  await expectSame('authorize, plain key login', recorded)
  await expectSame('core build: authorize', recorded)
})

test('authorize: with a certificate the fingerprint is sent, and not what the client says about its certificate', async () => {
  const [captured] = requestsOf('authorize, certificate login')
  const { ssh_cert: _, ...expected } = JSON.parse(captured!.body)
  const recorded = recorder()
  const fingerprint = parseFingerprint(expected.fingerprint)!
  await recorded.portal.authorize({ user: alice, service: 'sshd', fingerprint })
  expect(recorded.sent.map(({ body }) => body)).toEqual([expected])
})

test('userinfo: the same request, asked once', async () => {
  const recorded = recorder()
  await recorded.portal.userinfo(alice)
  await expectSame('known user', recorded)
  // It asked again at once when the portal was broken, which does not mend a portal.
  expect(requestsOf('portal 500: asked twice')).toEqual([...requestsOf('known user'), ...requestsOf('known user')])
})

test('a server token is sent whole, however long: the C implementation cut it', async () => {
  for (const name of ['longer server token (4300 characters) is cut', 'server token of 700 characters is cut to 489']) {
    const [captured] = requestsOf(name)
    expect(captured!.headers.some((header) => header.startsWith('Authorization: Bearer '))).toBe(true)
  }
  const recorded = recorder('server_token_file = /t\n')
  const long = 'x'.repeat(4300)
  const world = fakeWorld({ files: { '/t': JSON.stringify({ access_token: long, expires_at: 3_780_000_000 }) } })
  expect((await openTokens(world, { server_token_file: '/t' } as never).read())?.accessToken.expose()).toBe(long)
  expect(recorded.sent).toEqual([])
})

test('request_signing_secret signs requests: in the C implementation the key did nothing', async () => {
  const [captured] = requestsOf('request_signing_secret (jwt)')
  expect(captured!.headers.some((header) => /signature/i.test(header))).toBe(false)
  const recorded = recorder('request_signing_secret = my-signing-secret\n')
  await recorded.portal.verify(new Secret('tok-alice'))
  expect(recorded.sent[0]?.headers.get('x-signature-256')).toMatch(/^sha256=[0-9a-f]{64}$/)
})
