// What the service reads and writes: configuration, claims, addresses, codes, languages, audit lines, figures.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { nearness, networkOf } from '../../src/portal-server/addresses-policy.ts'
import { formatPortalEvent } from '../../src/portal-server/audit-format.ts'
import { type ClaimRules, mapClaims } from '../../src/portal-server/claims-policy.ts'
import { parseStart } from '../../src/portal-server/host-requests-format.ts'
import { formatCode, parseHandle, parseHostName, readCode } from '../../src/portal-server/identifiers-format.ts'
import { openMetrics } from '../../src/portal-server/metrics.ts'
import { parsePortalConfig } from '../../src/portal-server/settings-format.ts'
import { formatPortalSample } from '../../src/portal-server/settings-print.ts'
import { newCode, newHandle, openBrowserKey } from '../../src/portal-server/tokens.ts'

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))

const least = 'base_url = https://a.example\n[provider idp]\nissuer = https://idp.example\nclient_id = x\n'

const problems = (text: string): readonly string[] => {
  const read = parsePortalConfig(text)
  return read.kind === 'accepted' ? [] : read.problems.map(({ line, text }) => `${line}: ${text}`)
}

test('the least configuration is accepted, with defaults that are safe', () => {
  const read = parsePortalConfig(least)
  if (read.kind !== 'accepted') throw new Error(JSON.stringify(read.problems))
  const { providers, ...service } = read.config
  expect(service).toMatchObject({
    base_url: 'https://a.example',
    listen: { kind: 'tcp', host: '127.0.0.1', port: 8480 },
    ...{ proxies: 0, session_lifetime: 3600, transaction_lifetime: 300, code_lifetime: 90, code_tries: 3 },
  })
  expect(providers).toMatchObject([{ name: 'idp', scope: ['openid', 'profile', 'email'], acr_values: [], require: [] }])
})

test('the sample is accepted as it is, and with every key uncommented', () => {
  expect(problems(formatPortalSample())).toEqual([])
  expect(problems(formatPortalSample().replaceAll(/^#(?=[a-z])/gm, ''))).toEqual([])
  expect(formatPortalSample()).toMatch(/^[\n\x20-\x7e]*$/)
})

test.each([
  ['', ['0: base_url is not set', '0: there is no section [provider NAME]']],
  [
    least.replace('https://a', 'http://a'),
    ['1: base_url must be an https:// address without a path (http:// only on this machine)'],
  ],
  [
    least.replace('a.example', 'a.example/path'),
    ['1: base_url must be an https:// address without a path (http:// only on this machine)'],
  ],
  [`issuer = https://x\n${least}`, ['1: issuer belongs into a section [provider NAME]']],
  [`${least}listen = 127.0.0.1:1\n`, ['5: listen belongs above the first section']],
  [`${least}colour = red\n`, ['5: unknown key "colour"']],
  [
    `${least}[host x]\n`,
    [
      '5: a section is [provider NAME], with a name of a-z, 0-9 and -',
      '5: issuer is not set',
      '5: client_id is not set',
    ],
  ],
  [least + least.slice(least.indexOf('[')), ['5: the provider idp is there already, in line 2']],
  [`tls_key = /x\n${least}`, ['0: tls_certificate and tls_key need each other']],
  [
    `${least}name_pattern = no group\n`,
    [
      '5: name_pattern must be a regular expression with one group, which becomes the name; it must match all of the claim',
    ],
  ],
  [
    `${least}name_pattern = (((\n`,
    [
      '5: name_pattern must be a regular expression with one group, which becomes the name; it must match all of the claim',
    ],
  ],
])('%p is refused for what it is', (text, expected) => expect(problems(text)).toEqual([...expected]))

test('a problem never quotes a secret', () => {
  const text = `${least}client_secret = \n  s3cr3t-second-half = x\nclient_secret s3cr3t\n`
  expect(problems(text).length).toBeGreaterThan(0)
  expect(problems(text).join()).not.toContain('s3cr3t')
})

test('anything at all is accepted or refused, never a crash', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      parsePortalConfig(text)
      parsePortalConfig(least + text)
    }),
    { numRuns: 50 },
  )
}, 20_000)

const rulesOf = (lines = ''): ClaimRules => {
  const read = parsePortalConfig(least + lines)
  if (read.kind !== 'accepted') throw new Error(JSON.stringify(read.problems))
  return read.config.providers[0]!
}

const mapped = (lines: string, idToken: object, userinfo?: object): string => {
  const result = mapClaims(
    { idToken: idToken as never, ...(userinfo ? { userinfo: userinfo as never } : {}) },
    rulesOf(lines),
  )
  return result.kind === 'person' ? `${result.name}: ${result.groups.join(' ')}` : result.problem
}

test.each([
  ['', { preferred_username: 'alice', groups: ['a', 'b'] }, undefined, 'alice: a b'],
  ['', { preferred_username: 'alice' }, { groups: 'x,y,z' }, 'alice: x y z'],
  ['', { preferred_username: 'alice' }, { preferred_username: 'bob' }, 'alice: '],
  [
    'name_claim = userinfo:/preferred_username',
    { preferred_username: 'alice' },
    { preferred_username: 'bob' },
    'bob: ',
  ],
  ['name_claim = id_token:/preferred_username', {}, { preferred_username: 'bob' }, 'name-missing'],
  [
    'name_claim = /email\nname_pattern = ([a-z.]+)@example\\.com',
    { email: 'alice.b@example.com' },
    undefined,
    'alice.b: ',
  ],
  [
    'name_claim = /email\nname_pattern = ([a-z.]+)@example\\.com',
    { email: 'alice@example.com.evil' },
    undefined,
    'name-missing',
  ],
  [
    'name_claim = /email\nname_pattern = ([a-z.]+)@example\\.com',
    { email: 'alice@evilexample.com' },
    undefined,
    'name-missing',
  ],
  ['', { preferred_username: 'Alice' }, undefined, 'name-unfit'],
  ['', { preferred_username: 'root' }, undefined, 'name-unfit'],
  ['name_lower = true', { preferred_username: 'Alice' }, undefined, 'alice: '],
  ['name_claim = /https:~1~1example.com~1name', { 'https://example.com/name': 'alice' }, undefined, 'alice: '],
  [
    'groups_claim = /realm_access/roles, /groups',
    { preferred_username: 'a', realm_access: { roles: ['r'] }, groups: ['/g/h'] },
    undefined,
    'a: g/h r',
  ],
  [
    'groups_claim = /groups',
    { preferred_username: 'a', groups: [{ value: 'v', display: 'D' }, { name: 'n' }, 7, null, ['x']] },
    undefined,
    'a: n v',
  ],
  [
    'groups_claim = /roles',
    { preferred_username: 'a', roles: { admin: { org: 1 }, dev: {} } },
    undefined,
    'a: admin dev',
  ],
  ['groups_claim = /groups/1', { preferred_username: 'a', groups: ['x', 'y'] }, undefined, 'a: y'],
  ['default_groups = staff', { preferred_username: 'a', _claim_names: { groups: 'src1' } }, undefined, 'a: staff'],
  [
    '',
    { preferred_username: 'a', groups: ['with blank', 'line\nbreak', '\u202etrick', '', 'x'.repeat(256), 'ok'] },
    undefined,
    'a: ok',
  ],
  // A name with a blank is no group here, and no two groups either.
  ['', { preferred_username: 'a', groups: 'not docker' }, undefined, 'a: '],
  ['', { preferred_username: 'a', groups: 'dev, not docker,ops' }, undefined, 'a: dev ops'],
  ['', { preferred_username: 'a', groups: 'dev; not docker; a,docker' }, undefined, 'a: dev'],
  ['name_claim = /constructor', {}, undefined, 'name-missing'],
  ['name_claim = /__proto__/name', {}, undefined, 'name-missing'],
  ['require = /email_verified=true', { preferred_username: 'a', email_verified: true }, undefined, 'a: '],
  [
    'require = /email_verified=true',
    { preferred_username: 'a', email_verified: ['true'] },
    undefined,
    'claim-required',
  ],
  ['require = /hd=example.com', { preferred_username: 'a' }, { hd: 'example.com' }, 'a: '],
  ['acr_values = mfa', { preferred_username: 'a', acr: 'mfa' }, undefined, 'a: '],
  ['acr_values = mfa', { preferred_username: 'a' }, { acr: 'mfa' }, 'acr-missing'],
])('claims: %p of %j and %j are %s', (lines, idToken, userinfo, expected) =>
  expect(mapped(lines, idToken, userinfo)).toBe(expected),
)

test('of claims that are anything at all, only names that a host takes come out', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (name, groups) => {
      const result = mapClaims({ idToken: { preferred_username: name, groups } as never }, rulesOf())
      if (result.kind === 'person') {
        expect(result.name).toMatch(/^[a-z_][a-z0-9_.-]{0,31}$/)
        for (const group of result.groups) expect(group).toMatch(/^[^\s]{1,255}$/u)
      }
    }),
  )
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['2001:db8::192.0.2.1', '2001:db8:0:0::/64'],
  ...[
    '',
    'host.example',
    '256.1.1.1',
    '1.2.3',
    '1:2:3',
    '::1::',
    '12345::',
    ':::',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8:9',
    '::ffff:999.0.0.1',
  ].map((text) => [text, undefined] as const),
])('the network of %p is %p', (address, network) => expect(networkOf(address)).toBe(network!))

test('near is the same /24 or /64, and what cannot be compared is unknown', () => {
  expect(nearness('192.0.2.7', '192.0.2.200')).toBe('same')
  expect(nearness('192.0.2.7', '192.0.3.7')).toBe('other')
  expect(nearness('2001:db8::1', '2001:db8::2')).toBe('same')
  expect(nearness('2001:db8:0:1::1', '2001:db8::2')).toBe('other')
  expect(nearness('2001:db8::1', '192.0.2.7')).toBe('unknown')
  expect(nearness('', '192.0.2.7')).toBe('unknown')
})

test('codes and handles are made of their letters, evenly, and read back', () => {
  const counts = new Map<string, number>()
  for (let count = 0; count < 2_000; count++) {
    const code = newCode({ random })
    expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{9}$/)
    expect(readCode(formatCode(code).toLowerCase())).toBe(code)
    for (const letter of code) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  }
  // 900 of each; five standard deviations.
  for (const count of counts.values()) expect(Math.abs(count - 900)).toBeLessThan(150)
  const handle = newHandle({ random })
  expect(parseHandle(handle.toLowerCase())).toBe(handle)
  for (const text of ['', 'ABC', `${handle}A`, handle.replace(/^./, '1'), 'ABCDEFGHIJKL\n'])
    expect(parseHandle(text)).toBeUndefined()
  for (const text of ['', 'AAAAAAAAA', 'BBBBBBBBBB', 'BBBBBBBB', "' OR 1=1 --", 'null']) expect(readCode(text)).toBe('')
})

test('host names are RFC 1123 names, in small letters', () => {
  expect(parseHostName('Web1.Example.ORG')).toBe('web1.example.org')
  for (const text of ['', '-a', 'a..b', 'a b', 'a/b', '.a', 'a\n', 'ä.example', 'x'.repeat(254)])
    expect(parseHostName(text)).toBeUndefined()
})

test('what a browser keeps for us can be neither read, changed nor used for something else', async () => {
  const key = await openBrowserKey({ random }, random(32))
  const other = await openBrowserKey({ random }, random(32))
  const sealed = await key.seal('the state', 'login')
  expect(await key.open(sealed, 'login')).toBe('the state')
  expect(atob(sealed.replaceAll('-', '+').replaceAll('_', '/'))).not.toContain('state')
  expect(await key.open(sealed, 'other')).toBeUndefined()
  expect(await other.open(sealed, 'login')).toBeUndefined()
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
    const opened = await key.open(changed, 'login')
    // The last letter has bits that stand for nothing.
    if (at < sealed.length - 1) expect(opened).toBeUndefined()
  }
  const token = key.sign('session', 'purpose')
  expect(key.matches(token, 'session', 'purpose')).toBe(true)
  for (const [session, purpose] of [
    ['session', 'other'],
    ['other', 'purpose'],
    ['session"', ',"purpose'],
  ])
    expect(key.matches(token, session!, purpose!)).toBe(false)
})

test('an audit line is one line of JSON, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const line = formatPortalEvent(1_800_000_000, 'SIGN_IN', { user: text, detail: text })
      expect(line.indexOf('\n')).toBe(line.length - 1)
      expect(line).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u0080-\u009f]/)
      expect(JSON.parse(line)).toMatchObject({ event_type: 'SIGN_IN', timestamp: '2027-01-15T08:00:00.000Z' })
    }),
  )
})

test('figures are lines that Prometheus reads, with labels that nobody can invent', () => {
  const metrics = openMetrics()
  metrics.count('ob_portal_weblogin_total', 'wrong')
  metrics.count('ob_portal_weblogin_total', 'a"} 1\nevil{x="')
  metrics.count('ob_portal_faults_total')
  const text = metrics.format({ ob_portal_up: 1 })
  expect(text).toContain('ob_portal_weblogin_total{result="wrong"} 1\n')
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[\w-]*"\})? \d+)$/)
})

test('a start that is anything at all is a request or a sentence', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (value, text) => {
      for (const body of [
        value,
        { user: text, host: text, service: text, rhost: text },
        { user: value, host: value },
      ]) {
        const read = parseStart(body)
        expect('problem' in read ? read.problem.length > 0 : read.value.request.login !== 'root').toBe(true)
      }
    }),
  )
})
