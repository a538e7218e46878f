// Where the endpoints are, as the portal says it or as LemonLDAP::NG has them; never at another place.
import { expect, test } from 'bun:test'
import { type Config, checkConfig } from '../../src/config/load.ts'
import { discover, discoverOnce } from '../../src/portal-client/discovery.ts'
import { defaultEndpoints } from '../../src/portal-client/discovery-format.ts'
import { openHttp } from '../../src/portal-client/http.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'

const portal = 'https://auth.example.test'

function configure(url = portal): Config {
  const checked = checkConfig(`portal_url = ${url}\nca_cert = /ca.pem`)
  if (checked.kind !== 'accepted') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}

type Site = Readonly<Record<string, string | number>>

/** A site that answers these paths with a document or a status. */
function visit(site: Site): { readonly world: FakeWorld; readonly asked: string[] } {
  const asked: string[] = []
  const world = fakeWorld({
    files: { '/ca.pem': '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n' },
    fetch: (request) => {
      const { pathname } = new URL(request.url)
      asked.push(pathname)
      const answer = site[pathname] ?? 404
      return typeof answer === 'number' ? new Response('<html>', { status: answer }) : new Response(answer)
    },
  })
  return { world, asked }
}

const openid = '/.well-known/openid-configuration'
const oauth = '/.well-known/oauth-authorization-server'
const document = (path: string) =>
  JSON.stringify({ issuer: `${portal}/`, token_endpoint: portal + path, introspection_endpoint: `${portal}/i` })

const sites: readonly (readonly [string, Site, string])[] = [
  ['OpenID discovery', { [openid]: document('/openid') }, '/openid'],
  ['RFC 8414 when there is no OpenID', { [oauth]: document('/oauth') }, '/oauth'],
  ['OpenID before RFC 8414', { [openid]: document('/openid'), [oauth]: document('/oauth') }, '/openid'],
  ['a login page says nothing', { [openid]: '<html>' }, '/oauth2/token'],
  ['a redirect to the login page says nothing', { [openid]: 302, [oauth]: 302 }, '/oauth2/token'],
  ['nothing at all', {}, '/oauth2/token'],
]
test.each(sites)('%s', async (_name, site, path) => {
  const { world } = visit(site)
  const found = await discover(configure(), openHttp(world, configure()))
  expect(found.kind === 'found' && found.endpoints.token_endpoint).toBe(portal + path)
})

test('a portal below a path is asked where both standards say', async () => {
  const config = configure('https://sso.example.test/portal')
  const { world, asked } = visit({})
  await discover(config, openHttp(world, config))
  expect(asked).toEqual([`/portal${openid}`, `${oauth}/portal`])
})

test('an endpoint elsewhere is a fault that says what to set', async () => {
  const { world } = visit({ [openid]: JSON.stringify({ issuer: portal, token_endpoint: 'https://evil.test/t' }) })
  await expect(discover(configure(), openHttp(world, configure()))).rejects.toMatchObject({
    name: 'Fault',
    message: `${portal}${openid}: token_endpoint is not at ${portal}`,
    hint: expect.stringContaining('portal_url'),
  })
})

test('a portal that is away has no endpoints, not the usual ones', async () => {
  const { world } = visit({ [openid]: 503 })
  expect((await discover(configure(), openHttp(world, configure()))).kind).toBe('unreachable')
})

test.each([['with', { [openid]: document('/t') }, `${portal}/i`] as const, ['without', {}, undefined] as const])(
  'a login asks once an hour, of a portal %s a document',
  async (_name, site, expected) => {
    const { world, asked } = visit(site)
    const once = async (config = configure()) => discoverOnce(world, config, openHttp(world, config))
    const endpoint = expected ?? defaultEndpoints(portal).introspection_endpoint
    expect(await once()).toMatchObject({ kind: 'found', endpoints: { introspection_endpoint: endpoint } })
    const first = asked.length
    expect(await once()).toMatchObject({ kind: 'found', endpoints: { introspection_endpoint: endpoint } })
    expect(asked.length).toBe(first)
    world.clock.now += 3601
    await once()
    expect(asked.length).toBe(2 * first)
    await once(configure('https://other.example.test')).catch(() => undefined)
    expect(asked.length).toBeGreaterThan(2 * first)
  },
)

test('a copy that others could write is not believed', async () => {
  const { world } = visit({ [openid]: document('/t') })
  await discoverOnce(world, configure(), openHttp(world, configure()))
  world.disk.get('/run/open-bastion/discovery')!.uid = 1000
  await expect(discoverOnce(world, configure(), openHttp(world, configure()))).rejects.toThrow('uid 1000')
})
