// What is believed of a portal's own description of its endpoints.
import { expect, test } from 'bun:test'
import { defaultEndpoints, parseDiscovery } from '../../src/portal-client/discovery-format.ts'
import { fuzzText } from '../fakes/mutate.ts'

const portal = 'https://auth.example.test'
const issuer = `${portal}/`
const parse = (members: object) => parseDiscovery(JSON.stringify(members), portal)

test('what is not named is where LemonLDAP::NG has it', () => {
  expect(parse({ issuer })).toEqual(defaultEndpoints(portal))
  expect(parse({ issuer, token_endpoint: `${portal}/t` })).toEqual({
    ...defaultEndpoints(portal),
    token_endpoint: `${portal}/t`,
  })
})

const nothing = ['', 'null', '[]', '"x"', '{', '<html>', '{}', '{"issuer":1}', '{"issuer":"x","token_endpoint":7}']
test.each(nothing)('%j says nothing', (text) => {
  expect(parseDiscovery(text, portal)).toBeUndefined()
})

const elsewhere = [
  'http://auth.example.test/t',
  'https://auth.example.test:8443/t',
  'https://auth.example.test.evil/t',
  'https://evil/t',
  'https://user@auth.example.test/t',
  'https://user:pw@auth.example.test/t',
  'https://auth.example.test/t#x',
  'https://auth.example.test/\nt',
  'ftp://auth.example.test/t',
  '/oauth2/token',
  '',
  'javascript:alert(1)',
]
test.each(elsewhere)('an endpoint at %j is refused', (address) => {
  for (const name of ['device_authorization_endpoint', 'token_endpoint', 'introspection_endpoint'])
    expect(parse({ issuer, [name]: address })).toMatchObject({ problem: expect.stringContaining(name) })
})

test('the default port and another letter case of the host are the same place', () => {
  expect(parse({ issuer, token_endpoint: 'https://AUTH.example.test:443/t' })).toMatchObject({
    token_endpoint: 'https://AUTH.example.test:443/t',
  })
})

test('whatever comes in, what comes out is at the portal', () => {
  const text = JSON.stringify({ issuer, ...defaultEndpoints(portal) })
  fuzzText([text], (damaged) => {
    const parsed = parseDiscovery(damaged, portal)
    if (!parsed || 'problem' in parsed) return
    for (const address of Object.values(parsed)) expect(new URL(address).origin).toBe(portal)
  })
})
