import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatConf } from '../../src/base/conf-syntax.ts'
import { Fault } from '../../src/base/fault.ts'
import { Secret } from '../../src/base/secret.ts'
import { type Checked, checkConfig, configPath, loadConfig, problemText } from '../../src/config/load.ts'
import { aliases, type KeyName, keyNames } from '../../src/config/schema.ts'
import { unsupportedKeys } from '../../src/config/unsupported.ts'

const runs = Number(process.env['FUZZ'] ?? 2000)
const portal = 'portal_url = https://auth.example.com\n'
const disk = (text: string | undefined) => ({
  readTrusted: () => (text === undefined ? undefined : new TextEncoder().encode(text)),
})

const check = (lines: string) => checkConfig(portal + lines)
const lines = (checked: Checked): readonly string[] =>
  checked.kind === 'accepted' ? [] : checked.problems.map((problem) => `${problem.line} ${problem.text}`)

function readValue(key: KeyName, written: string): unknown {
  const checked = checkConfig(`${key === 'portal_url' ? '' : portal}${key} = ${written}\n`)
  if (checked.kind === 'accepted') return checked.config[key]
  return checked.problems.map((problem) => problem.text).join()
}

function faultOf(work: () => unknown): Fault {
  try {
    work()
  } catch (problem) {
    if (problem instanceof Fault) return problem
    throw problem
  }
  throw new Error('nothing was thrown')
}

const pin = `sha256//${'A'.repeat(43)}=`

test.each<[KeyName, string, unknown]>([
  ['portal_url', 'https://auth.example.com/', 'https://auth.example.com'],
  ['portal_url', 'https://auth.example.com:8443/sso//', 'https://auth.example.com:8443/sso'],
  ['portal_url', 'https://[2001:db8::1]/', 'https://[2001:db8::1]'],
  ['timeout', '1', 1],
  ['timeout', '20', 20],
  ['verify_ssl', 'On', true],
  ['ca_cert', '/etc/ssl/my ca.pem', '/etc/ssl/my ca.pem'],
  ['ca_cert', '', undefined],
  ['min_tls_version', '13', 13],
  ['min_tls_version', '12', 12],
  ['min_tls_version', '1.3', 13],
  ['cert_pin', pin, [pin]],
  ['cert_pin', `${pin} ; sha256//${'B'.repeat(42)}A`, [pin, `sha256//${'B'.repeat(42)}A=`]],
  ['cert_pin', '', []],
  ['proxy', 'http://proxy:3128/', 'http://proxy:3128'],
  ['proxy', '', undefined],
  ['node_role', 'bastion', 'bastion'],
  [
    'service_map',
    'login=ssh, unlock=desk',
    new Map([
      ['login', 'ssh'],
      ['unlock', 'desk'],
    ]),
  ],
  ['fingerprint_binding', 'never', 'never'],
  ['log_level', '3', 'debug'],
  ['audit_level', '2', 'all'],
  ['ssh_key_allowed_types', 'ED25519, fido2', ['ed25519', 'sk']],
  ['ssh_key_allowed_types', 'all dsa', ['rsa', 'ed25519', 'ecdsa', 'sk', 'dsa']],
  ['approved_shells', '/bin/sh:/bin/bash', ['/bin/sh', '/bin/bash']],
  ['create_user_home_base', '/srv/home/', '/srv/home'],
  ['rate_limit_backoff_mult', '1.5', 1.5],
  ['server_group', '"two words"', 'two words'],
])('%s = %s is understood', (key, written, value) => {
  expect(readValue(key, written)).toEqual(value)
})

test.each<[KeyName, string, string]>([
  ['portal_url', 'http://auth.example.com', 'must be an https:// address'],
  ['portal_url', 'https://alice@auth.example.com', 'without user'],
  ['portal_url', 'https://auth.example.com/?a=b', 'without user, query'],
  ['portal_url', 'https://auth.example.com/#a', 'fragment'],
  ['portal_url', 'https://auth.example.com/a b', 'must be an https:// address'],
  ['portal_url', 'https://auth.example.com/%7f', 'control characters'],
  ['portal_url', 'https://auth.example.com:99999', 'must be an https:// address'],
  ['portal_url', 'https:\\\\auth.example.com', 'must be an https:// address'],
  ['portal_url', `https://${'a'.repeat(505)}`, 'at most 512 characters'],
  ['portal_url', '', 'must be an https:// address'],
  ['timeout', '21', 'LoginGraceTime'],
  ['timeout', '10s', 'must be a whole number'],
  ['service_map', 'login', 'must be SERVICE=ssh'],
  ['service_map', 'login=sudo', 'must be SERVICE=ssh'],
  ['service_map', 'sudo=ssh', 'must be SERVICE=ssh'],
  ['service_map', 'su-l=ssh', 'must be SERVICE=ssh'],
  ['service_map', 'login=ssh, doas=ssh', 'must be SERVICE=ssh'],
  ['service_map', 'polkit-1=ssh', 'must be SERVICE=ssh'],
  ['service_map', 'login=ssh=ssh', 'must be SERVICE=ssh'],
  ['service_map', 'login=ssh, login=desk', 'must be SERVICE=ssh'],
  ['service_map', '../login=ssh', 'must be SERVICE=ssh'],
  ['timeout', '1e1', 'must be a whole number'],
  ['timeout', '010', 'must be a whole number'],
  ['timeout', '', 'must be a whole number'],
  ['verify_ssl', 'false', 'ca_cert = FILE'],
  ['min_tls_version', '11', 'must be 13 or 12'],
  ['cert_pin', '/etc/pin.pem', 'must be sha256//'],
  ['cert_pin', `sha256//${'A'.repeat(42)}B=`, 'must be sha256//'],
  ['cert_pin', `${pin};`, 'must be sha256//'],
  ['ca_cert', 'ca.pem', 'absolute path'],
  ['ca_cert', '/etc/../ca.pem', 'absolute path'],
  ['server_token_file', '/etc//token', 'absolute path'],
  ['create_user_shell', '/bin/ba:sh', 'of letters, digits'],
  ['create_user_skel', '/etc/.skel', 'without hidden parts'],
  ['create_user_home_base', '/', 'below /'],
  ['approved_home_prefixes', '/home:/', 'below /'],
  ['approved_shells', '/bin/sh:', 'absolute paths'],
  ['proxy', 'http://user:word@proxy', 'without user'],
  ['proxy', 'socks5://proxy', 'must be http://HOST:PORT'],
  ['proxy', 'http://proxy/path', 'without user and path'],
  ['create_user', 'maybe', 'must be true or false'],
  ['node_role', 'Bastion', 'must be one of standalone, bastion, backend'],
  ['rate_limit_backoff_mult', 'nan', 'must be a number from 1.1 to 10'],
  ['ssh_key_allowed_types', 'rsa, ed448', 'must be a list of'],
  ['ssh_key_allowed_types', 'rsa constructor', 'must be a list of'],
  ['min_uid', '999', 'from 1000'],
  ['max_uid', '2147483648', 'to 2147483647'],
  ['allowed_managed_groups', 'not docker', 'separated by commas'],
  ['allowed_managed_groups', 'dev, not docker', 'separated by commas'],
  ['gpg_groups', 'not docker', 'separated by commas'],
])('%s = %s is refused with its rule', (key, written, rule) => {
  const text = String(readValue(key, written))
  expect(text).toStartWith(`${key} must be `)
  expect(text).toContain(rule)
})

test('booleans may be written eight ways in any letter case', () => {
  for (const word of ['true', 'YES', '1', 'On']) expect(readValue('create_user', word)).toBe(true)
  for (const word of ['False', 'no', '0', 'OFF']) expect(readValue('create_user', word)).toBe(false)
})

test('min_uid must be smaller than max_uid, whichever of them is set', () => {
  expect(lines(check('min_uid = 2000\nmax_uid = 2000\n'))).toEqual([
    '3 min_uid (2000) must be smaller than max_uid (2000)',
  ])
  expect(lines(check('min_uid = 70000\n'))).toEqual(['2 min_uid (70000) must be smaller than max_uid (60000)'])
  expect(lines(check('min_uid = 1999\nmax_uid = 2000\n'))).toEqual([])
})

test('secrets come out as Secret and never in a message', () => {
  const checked = check('client_secret = "hunter2 # x"\nrequest_signing_secret = hunter3\n')
  if (checked.kind === 'refused') throw new Error('refused')
  expect(checked.config.client_secret).toBeInstanceOf(Secret)
  expect(checked.config.client_secret?.expose()).toBe('hunter2 # x')
  expect(JSON.stringify(checked)).not.toContain('hunter')
})

test('a secret that a # would cut must be quoted', () => {
  expect(lines(check('client_secret = abc #def\n'))).toEqual(['2 client_secret holds a # after a space'])
  expect(lines(check('server_group = abc #def\n'))).toEqual([])
})

test('the last of several lines counts, and the person who checks is told', () => {
  const checked = check('timeout = nonsense\ntimeout = 7\nportal = https://b\n')
  if (checked.kind === 'refused') throw new Error('refused')
  expect(checked.config.timeout).toBe(7)
  expect(checked.config.portal_url).toBe('https://b')
  expect(checked.warnings.map((warning) => problemText('f', warning))).toEqual([
    'f line 3: timeout was set before, in line 2; this line counts',
    'f line 4: portal_url was set before, in line 1; this line counts',
  ])
})

test('settings that contradict each other are warnings', () => {
  const checked = check(
    'approved_shells = /bin/sh\ncreate_user_home_base = /srv\nrate_limit_max_lockout = 60\nrate_limit_initial_lockout = 61',
  )
  expect(checked.kind).toBe('accepted')
  expect(checked.warnings.map(({ line }) => line)).toEqual([2, 3, 5])
})

test.each([
  ['portal_ulr', 'portal_url'],
  ['time_out', 'timeout'],
  ['audit_requierd', 'audit_required'],
  ['fingerprint', 'fingerprint_binding'],
  ['crowdsec_enable', 'crowdsec_enabled'],
  ['SERVER_GROUP', 'server_group'],
])('the unknown key %s is answered with %s', (written, meant) => {
  const fault = faultOf(() => loadConfig(disk(`${portal}\n\n${written} = 1\n`)))
  expect(fault.hint).toBe(`did you mean ${meant}?`)
  expect(fault.message).toStartWith(`${configPath} line 4: unknown key`)
})

test('an unknown key that resembles nothing gets no hint', () => {
  expect(faultOf(() => loadConfig(disk(`${portal}zzzzzzzz = 1`))).hint).toBeUndefined()
})

test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('%s is an unknown key', (key) => {
  expect(lines(check(`${key} = 1\n`))[0]).toStartWith('2 unknown key')
})

test('a word that is not shaped like a key is not repeated, it may be half of a secret', () => {
  expect(JSON.stringify(check('c2VjcmV0cGFydA==\n'))).not.toContain('c2Vjcm')
})

test('a misspelt portal_url is one problem, not two', () => {
  const fault = faultOf(() => loadConfig(disk('\n\n\n\n\n\nportal_ulr = https://a\n')))
  expect(fault.message).toBe(`${configPath} line 7: unknown key "portal_ulr"`)
  expect(fault.hint).toBe('did you mean portal_url?')
})

test('all problems come in one Fault, in the order of their lines', () => {
  const fault = faultOf(() => loadConfig(disk('log_level = loud\nnonsense\ncrowdsec = yes\n'), '/c'))
  expect(fault.message.split('\n')).toEqual([
    '/c: portal_url is not set (add: portal_url = https://auth.example.com)',
    '/c line 1: log_level must be one of error, warn, info, debug (or 0 to 3)',
    '/c line 2: the line is not "key = value": it has no =',
    '/c line 3: crowdsec is not supported by this version (remove the line, or write crowdsec = false, or run: ob config migrate)',
  ])
})

test('a missing file and one that is not UTF-8 are Faults with a remedy', () => {
  expect(faultOf(() => loadConfig(disk(undefined))).message).toBe(`${configPath} does not exist`)
  expect(faultOf(() => loadConfig({ readTrusted: () => new Uint8Array([0xff]) })).message).toContain('is not UTF-8')
})

test.each([
  ['crowdsec_enabled = no', true],
  ['crowdsec_enabled = true', false],
  ['token_rotate_refresh = no', true],
  ['token_rotate_refresh = true', false],
  ['crowdsec_fail_open = true', true],
  ['crowdsec_url =', true],
  ['crowdsec_url = http://127.0.0.1:8080', false],
  ['ssh_cert_aware = true', true],
  ['ssh_cert_aware = false', false],
  ['bind_ip = false', true],
  ['default_shell = /bin/sh', false],
])('of the unsupported keys, %s asks for nothing: %p', (line, nothing) => {
  expect(check(`${line}\n`).kind).toBe(nothing ? 'accepted' : 'refused')
})

test('no key is both supported and not, and no name stands for two keys', () => {
  const all = [...keyNames, ...Object.keys(aliases()), ...unsupportedKeys()]
  expect(all.filter((name, i) => all.indexOf(name) !== i)).toEqual([])
})

const anyKey = fc.constantFrom<string>(...keyNames, ...unsupportedKeys(), 'portal', 'debug', '__proto__', 'x')
const anyValue = fc.oneof(
  fc.constantFrom('true', 'false', '0', '12', '1.5', '/a', '/a:/b', 'https://a', 'rsa', '', pin),
  fc.string({ maxLength: 30 }),
  fc.webUrl(),
)

test('whatever the file holds, only a Fault comes out, and no secret in it', () => {
  const marker = 'hunter2secret'
  fc.assert(
    fc.property(fc.array(fc.tuple(anyKey, anyValue)), fc.string({ maxLength: 4 }), (entries, noise) => {
      const text = `${entries.map(([key, value]) => `${key} = ${value}`).join('\n')}\nclient_secret = ${noise}${marker}\0\n`
      expect(`${faultOf(() => loadConfig(disk(text)))}`).not.toContain(marker)
    }),
    { numRuns: runs },
  )
})

test('a value that is accepted is understood the same when it is written back', () => {
  fc.assert(
    fc.property(anyKey, anyValue, (key, value) => {
      fc.pre(!/["'#]/.test(value) && value.trim() === value)
      const first = checkConfig(`${portal}${key} = ${value}`)
      if (first.kind === 'refused') return
      expect(checkConfig(portal + formatConf([{ key, value }]))).toEqual(first)
    }),
    { numRuns: runs },
  )
})
