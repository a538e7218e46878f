// Which requests are signed, and what of their address.

import { expect, test } from 'bun:test'
import { createHmac } from 'node:crypto'
import { checkConfig } from '../../src/config/load.ts'
import { openPortalHttp, signedPath } from '../../src/portal-client/portal-http.ts'
import { fakeWorld } from '../fakes/world.ts'
import { pem } from '../modes/host.ts'

test.each([
  ['https://a.test', 'https://a.test/pam/verify', '/pam/verify'],
  ['https://a.test', 'https://a.test/oauth2/device?x=1', '/oauth2/device'],
  ['https://a.test/sso', 'https://a.test/sso/pam/verify', '/pam/verify'],
  ['https://a.test/sso', 'https://a.test/.well-known/oauth-authorization-server/sso', undefined],
  ['https://a.test', 'https://b.test/pam/verify', undefined],
  ['https://a.test', 'https://a.test:8443/pam/verify', undefined],
])('of %s, %s is signed as %s', (portal_url, url, path) => {
  const elsewhere = path === undefined && url.startsWith('https://a.test/') ? new URL(url).pathname : path
  expect(signedPath({ portal_url }, url)).toBe(elsewhere)
})

test('a host without a portal signs nothing', () => {
  expect(signedPath({ portal_url: '' }, 'https://a.test/pam/verify')).toBeUndefined()
})

const config = (() => {
  const text = 'portal_url = https://a.test/sso\nca_cert = /ca.pem\nrequest_signing_secret = sesame\n'
  const checked = checkConfig(text)
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  return checked.config
})()

test('the signature is over the time, the method, the path and the very body; without a body over an empty one', async () => {
  const seen: Request[] = []
  const world = fakeWorld({
    files: { '/ca.pem': pem },
    fetch: (request) => {
      seen.push(request)
      return Response.json({})
    },
  })
  const http = openPortalHttp(world, config)
  await http({ method: 'GET', url: 'https://a.test/sso/ssh/revoked', headers: {} })
  await http({ method: 'POST', url: 'https://a.test/sso/oauth2/token', headers: {}, body: 'a=b' })
  await http({ method: 'GET', url: 'https://crl.test/list', headers: {} })
  const expected = (message: string) =>
    `sha256=${createHmac('sha256', 'sesame')
      .update(`${Math.floor(world.now())}.${message}`)
      .digest('hex')}`
  expect(seen.map(({ headers }) => headers.get('x-signature-256'))).toEqual([
    expected('GET./ssh/revoked.'),
    expected('POST./oauth2/token.a=b'),
    null,
  ])
  expect(seen[0]!.headers.get('x-nonce')).toMatch(new RegExp(`^${Math.floor(world.now() * 1000)}-[0-9a-f-]{36}$`))
})
