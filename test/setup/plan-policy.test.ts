// The plan of a set-up: what changes on which host, and what is left alone.
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { parseConf } from '../../src/base/conf-syntax.ts'
import {
  type HostFacts,
  isKept,
  planHost,
  type Stock,
  setupPaths,
  withExtrausers,
  withInclude,
  withInitgroups,
  withSettings,
} from '../../src/setup/plan-policy.ts'

const stock: Stock = {
  sshdStack: 'auth required pam_deny.so # sshd\n',
  sudoStack: 'auth required pam_deny.so # sudo\n',
  snippet: '# mode\nUsePAM yes\nPasswordAuthentication no\n',
  sudoers: '%open-bastion-sudo ALL=(ALL:ALL) ALL\n',
  sample: '# The portal\n#portal_url = https://auth.example.com\n',
}
const debian: HostFacts = {
  files: new Map([
    [setupPaths.nsswitch, 'passwd: files\ngroup: files systemd\nshadow: files\nhosts: files dns\n'],
    [setupPaths.sshdConfig, '# comment\nInclude /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n'],
    [setupPaths.sshdStack, '@include common-auth\n'],
  ]),
  openssh: [9, 2],
  existing: new Set(),
}
const wanted = { mode: 'a', settings: { portal_url: 'https://auth.example.test' } }
const after = (host: HostFacts, path: string) =>
  planHost(host, wanted, stock).edits.find((edit) => edit.path === path)?.after

test('Debian 12: sshd has one PAM service, so its stack is exchanged', () => {
  expect(planHost(debian, wanted, stock).edits.map(({ path }) => path)).toEqual([
    setupPaths.configuration,
    setupPaths.nsswitch,
    setupPaths.ownSudoStack,
    setupPaths.sudoers,
    setupPaths.sshdStack,
    setupPaths.snippet,
  ])
  expect(after(debian, setupPaths.snippet)).not.toContain('PAMServiceName')
})

test('OpenSSH 9.8 and later get a stack of their own, and Debian’s stays', () => {
  const trixie = { ...debian, openssh: [9, 8] } as const
  expect(after(trixie, setupPaths.ownSshdStack)).toBe(stock.sshdStack)
  expect(after(trixie, setupPaths.sshdStack)).toBeUndefined()
  expect(after(trixie, setupPaths.snippet)).toContain('UsePAM yes\nPAMServiceName open-bastion-sshd\n')
  expect(after({ ...debian, openssh: [10, 0] }, setupPaths.ownSshdStack)).toBe(stock.sshdStack)
})

test('sudo gets a stack of its own for both groups, and Debian’s stays', () => {
  const sudoers = after(debian, setupPaths.sudoers) ?? ''
  for (const group of ['open-bastion-sudo', 'open-bastion-nopasswd'])
    expect(sudoers).toContain(`Defaults:%${group} pam_service=open-bastion-sudo, pam_login_service=open-bastion-sudo\n`)
})

test('"sudo -n" asks PAM in the modes whose sudo asks for nothing, and in no other', () => {
  const planned = (mode: string) =>
    planHost(debian, { ...wanted, mode }, stock).edits.find(({ path }) => path === setupPaths.sudoers)?.after
  for (const mode of ['c', 'cg']) expect(planned(mode)).toContain('Defaults:%open-bastion-sudo noninteractive_auth\n')
  for (const mode of ['a', 'b', 'd', 'e', 'f', 'g', 'k', 'ag', 'eg'])
    expect(planned(mode)).not.toContain('noninteractive_auth')
})

test('what is right already is not in the plan', () => {
  const { edits } = planHost(debian, wanted, stock)
  const done = new Map([...debian.files, ...edits.map(({ path, after }) => [path, after] as const)])
  expect(planHost({ ...debian, files: done }, wanted, stock).edits).toEqual([])
})

test('a mode says which files it needs before sshd is reloaded', () => {
  const e = { ...wanted, mode: 'e' }
  expect(planHost(debian, e, stock).problems.join('\n')).toMatch(/open-bastion_ca\.pub[\s\S]*ob krl update/)
  const existing = new Set(['/etc/ssh/open-bastion_ca.pub', '/etc/ssh/revoked_keys'])
  expect(planHost({ ...debian, existing }, e, stock).problems).toEqual([])
})

test('a host without sshd is told so', () => {
  const files = new Map([...debian.files].filter(([path]) => path !== setupPaths.sshdConfig))
  expect(planHost({ ...debian, files }, wanted, stock).problems).toEqual([
    'openssh-server is not installed: apt-get install openssh-server',
  ])
})

test('a key is set where it stands, in place of its sample, or at the end', () => {
  const set = { client_id: 'new' }
  expect(withSettings('a = 1\nclient_id = old\n', set)).toBe('a = 1\nclient_id = new\n')
  expect(withSettings('#client_id = sample\na = 1\n', set)).toBe('client_id = new\na = 1\n')
  expect(withSettings('a = 1', set)).toBe('a = 1\nclient_id = new\n')
  // The last line counts when a key is there twice.
  expect(withSettings('client_id = one\nclient_id = two\n', set)).toBe('client_id = one\nclient_id = new\n')
})

test('a value comes out of the file as it went in', () => {
  const value = fc
    .string({ minLength: 1, maxLength: 60 })
    .filter((text) => /^[!-~]([ -~]*[!-~])?$/.test(text) && !/["\\]/.test(text))
  fc.assert(
    fc.property(value, (text) => {
      const { entries } = parseConf(withSettings('', { client_id: text })) as {
        entries: readonly { key: string; value: string }[]
      }
      expect(entries.at(-1)).toMatchObject({ key: 'client_id', value: text })
    }),
  )
})

test('extrausers comes after files, in three databases, once', () => {
  const once = withExtrausers('passwd:  files systemd\ngroup: files\nshadow: files\ngshadow: files\nhosts: files dns\n')
  expect(once).toBe(
    'passwd:  files extrausers systemd\ngroup: files extrausers\nshadow: files extrausers\ngshadow: files\nhosts: files dns\n',
  )
  expect(withExtrausers(once)).toBe(once)
})

test('who asks a service about users asks it about no groups of those whom the files know', () => {
  const asking = 'passwd: files extrausers systemd\ngroup: files systemd\n'
  const line = 'initgroups: files [SUCCESS=return] extrausers [SUCCESS=return] systemd\n'
  expect(withInitgroups(asking)).toBe(`${asking}${line}`)
  for (const text of [`${asking}${line}`, 'passwd: files extrausers\n', `${asking}initgroups: files\n`])
    expect(withInitgroups(text)).toBe(text)
})

test('the Include line comes first, and is not written twice', () => {
  const stockConfig = '# c\nInclude /etc/ssh/sshd_config.d/*.conf\nPort 22\n'
  expect(withInclude(stockConfig)).toBe(stockConfig)
  for (const text of ['Port 22\n', 'PasswordAuthentication yes\nInclude /etc/ssh/sshd_config.d/*.conf\n']) {
    expect(withInclude(text)).toBe(`Include /etc/ssh/sshd_config.d/*.conf\n${text}`)
    expect(withInclude(withInclude(text))).toBe(withInclude(text))
  }
})

test.each([
  ['/root/portal-ca.pem', false],
  ['/home/eve/ca.pem', false],
  ['/tmp/ca.pem', false],
  ['/etc/ssl/certs/own.pem', true],
  ['/usr/local/share/ca-certificates/own.crt', true],
  ['/etcetera/ca.pem', false],
])('an authority at %s is kept there: %p', (path, kept) => {
  expect(isKept(path)).toBe(kept)
})
