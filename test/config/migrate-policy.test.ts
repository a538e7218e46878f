// An openbastion.conf of Open Bastion, and what it becomes. The files are those that its setup scripts write.
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { checkConfig } from '../../src/config/load.ts'
import { migrate } from '../../src/config/migrate-policy.ts'
import vectors from '../vectors/config.json'

const fixture = (name: string): string =>
  readFileSync(join(import.meta.dir, '../fixtures/open-bastion/etc/open-bastion', name), 'utf8')
    .replaceAll('PORTAL_URL', 'https://auth.example.test')
    .replaceAll('SERVER_GROUP', 'backend')

const migrated = (text: string, nss?: string, hasOldToken = false) => migrate({ text, nss, hasOldToken })
const base = 'portal_url = https://auth.example.test\n'
const configOf = (text: string) => {
  const checked = checkConfig(text)
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}

test('a file that the setup scripts wrote is refused as it is, and works after the migration', () => {
  const text = fixture('openbastion.conf')
  expect(checkConfig(text).kind).toBe('refused')
  const result = migrated(text, fixture('nss_openbastion.conf'))
  expect(result.problems).toEqual([])
  expect(configOf(result.text)).toMatchObject({
    portal_url: 'https://auth.example.test',
    authorize_only: true,
    create_user: true,
    create_user_shell: '/bin/bash',
    offline_cache_enabled: true,
    min_uid: 10000,
  })
  expect(result.changes.map(({ what, became }) => `${what} → ${became.split(':')[0]}`)).toEqual([
    'service_type → a comment',
    'create_home → a comment',
    'default_shell → create_user_shell = /bin/bash',
    'token_bind_ip → a comment',
    'token_rotate_refresh → a comment',
  ])
  // Whatever it does not name stays as it was, to the byte.
  const untouched = result.text.split('\n').filter((line) => !line.startsWith('# '))
  expect(text.split('\n')).toEqual(expect.arrayContaining(untouched.filter((line) => !/create_user_shell/.test(line))))
  expect(migrated(result.text, fixture('nss_openbastion.conf'))).toEqual({
    text: result.text,
    changes: [],
    problems: [],
  })
})

test('what nss_openbastion.conf says otherwise than the default comes over, and what openbastion.conf says wins', () => {
  const nss =
    'min_uid = 20000\nmax_uid = 30000\ndefault_shell = /bin/zsh\ndefault_home_base = "/srv/home"\ncache_ttl = 60\n'
  expect(configOf(migrated(base, nss).text)).toMatchObject({
    min_uid: 20000,
    max_uid: 30000,
    create_user_shell: '/bin/zsh',
    create_user_home_base: '/srv/home',
  })
  expect(configOf(migrated(`${base}min_uid = 15000\n`, nss).text).min_uid).toBe(15000)
  expect(migrated(base, 'min_uid = 5\nmax_uid = many\n').text).toBe(base)
})

test('a token where old releases kept it is named', () => {
  expect(configOf(migrated(base, undefined, true).text).server_token_file).toBe('/etc/open-bastion/token')
  const named = `${base}token_file = /srv/token\n`
  expect(migrated(named, undefined, true).text).toBe(named)
})

test.each([
  ['timeout = 60', { timeout: 20 }],
  ['audit_level = 1  # note', { audit_level: configOf(base).audit_level }],
  ['cache_ttl = 60 # short', { cache_ttl: 300 }],
  ['rate_limit_max_attempts = 1000', { rate_limit_max_attempts: 5 }],
  ['cache_encrypted = false', {}],
  ['audit_level = 3', {}],
  ['notify_enabled = true', { notify_enabled: false }],
  ['ssh_key_allowed_types = ed25519, bogus', { ssh_key_allowed_types: ['ed25519'] }],
  ['create_user_groups = users', {}],
  ['this line says nothing', {}],
  ['alowed_managed_groups = x', {}],
  ['crowdsec_enabled = true\ncrowdsec_url = http://127.0.0.1:8080', {}],
])('%j keeps the effect that it had, or says that it is lost', (lines, expected) => {
  const result = migrated(`${base}${lines}\n`)
  expect(result.problems).toEqual([])
  expect(configOf(result.text)).toMatchObject(expected)
  const lost = result.changes.filter(({ became }) => became.includes('THIS IS LOST')).length
  expect(lost).toBe(lines.startsWith('crowdsec') ? 2 : 0)
})

test('a host that took hops only goes on doing so, and accounts for programs stay exempt', () => {
  const services = '[deploy]\nkey_fingerprint = x\n[backup]\n'
  const named = migrate({ text: base, nss: undefined, hasOldToken: false, allowedBastions: 'b1,b2;b3\n', services })
  expect(named.problems).toEqual([])
  expect(configOf(named.text)).toMatchObject({
    bastion_jwt_allowed_bastions: ['b1', 'b2', 'b3'],
    bastion_jwt_required: true,
    bastion_jwt_exempt: ['deploy', 'backup'],
  })
  // An empty list means nobody here, and anybody there.
  const any = migrate({ text: base, nss: undefined, hasOldToken: false, allowedBastions: '\n' })
  expect(any.problems.map(({ text }) => text)).toEqual([expect.stringContaining('any bastion counted there')])
})

test('each change names its line, and lines before it stay where they were', () => {
  const text = `# a\n${base}extra = 1\n\ntimeout = 21`
  const { changes } = migrated(text)
  expect(changes.map(({ line, what }) => [line, what])).toEqual([
    [3, 'extra'],
    [5, 'timeout = 21'],
  ])
  expect(migrated(`${base}timeout = 20\n`).changes).toEqual([])
  // A file without an end of its last line gets its additions on lines of their own.
  expect(configOf(migrated(base.trimEnd(), 'min_uid = 20000\n').text).min_uid).toBe(20000)
})

test('a byte order mark is taken off, because it hid the first line', () => {
  const result = migrated(`\ufeff${base}`)
  expect([result.text, result.changes.length]).toEqual([base, 1])
})

test('CrowdSec that was off loses nothing, and a shell that is named wins over the word that had no effect', () => {
  expect(migrated(`${base}crowdsec_enabled = false\ncrowdsec_action = reject\n`).changes[0]?.became).toContain(
    'it had no effect there',
  )
  expect(migrated(`${base}crowdsec = on\n`).changes[0]?.became).toContain('THIS IS LOST')
  expect(migrated(`${base}offline_revalidation_grace = 600\n`).changes[0]?.became).toContain('THIS IS LOST')
  const shells = migrated(`${base}create_user_shell = /bin/zsh\ndefault_shell = /bin/sh\n`)
  expect(configOf(shells.text).create_user_shell).toBe('/bin/zsh')
  expect(configOf(migrated(`${base}default_shell = bash\n`).text).create_user_shell).toBe('/bin/bash')
})

test('what is said already is not said again', () => {
  const text = `${base}bastion_jwt_allowed_bastions = b9\nbastion_jwt_required = false\n`
  const said = migrate({ text, nss: undefined, hasOldToken: false, allowedBastions: 'b1' })
  expect([said.text, said.problems]).toEqual([text, []])
  expect(migrate({ text, nss: undefined, hasOldToken: false, allowedBastions: '' }).problems).toEqual([])
  const one = migrate({ text: base, nss: undefined, hasOldToken: false, allowedBastions: 'b1' })
  expect(configOf(one.text)).toMatchObject({ bastion_jwt_allowed_bastions: ['b1'], bastion_jwt_exempt: [] })
  const file = 'service_accounts_file = /srv/accounts.conf\n'
  expect(configOf(migrated(base, file).text).service_accounts_file).toBe('/srv/accounts.conf')
})

test('what only a person can decide stays, and is named', () => {
  const result = migrated(`${base}verify_ssl = false\n`)
  expect(result.problems).toMatchObject([{ line: 2, text: expect.stringContaining('verify_ssl') }])
  expect(migrated('portal_url = http://auth.example.test\n').problems).toHaveLength(1)
})

test('no secret is in what is said about the changes', () => {
  const result = migrated(
    `${base}client_secret = hunter2\ncrowdsec_bouncer_key = hunter3\ncrowdsec_password = hunter4\n`,
  )
  expect(JSON.stringify(result.changes)).not.toContain('hunter')
})

const cases = vectors.cases.filter(({ validate_rc, args }) => validate_rc === 0 && args.length === 0)
test('every file that it accepted in its own tests can be migrated, twice with the same result', () => {
  expect(cases.length).toBeGreaterThan(50)
  for (const { name, conf } of cases) {
    const result = migrated(conf ?? '')
    expect([name, migrated(result.text).text]).toEqual([name, result.text])
    if (result.problems.length === 0) expect([name, checkConfig(result.text).kind]).toEqual([name, 'accepted'])
  }
})

test('no text makes it throw', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, nss) => {
      migrated(text, nss)
    }),
  )
})
