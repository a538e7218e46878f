// A host that Open Bastion's scripts set up, and what a set-up changes there besides. The files are the fixture's.
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkConfig } from '../../src/config/load.ts'
import { type HostFacts, planHost, plannedFiles, type Stock, setupPaths } from '../../src/setup/plan-policy.ts'
import { isOpenBastion, modeThere, takeoverPaths } from '../../src/setup/takeover-policy.ts'

const root = join(import.meta.dir, '../fixtures/open-bastion')
const textOf = (path: string): string | undefined =>
  existsSync(root + path)
    ? readFileSync(root + path, 'utf8').replaceAll('PORTAL_URL', 'https://auth.example.test')
    : undefined

const files = new Map(
  plannedFiles.flatMap((path) => {
    const text = textOf(path)
    return text === undefined ? [] : [[path, text] as const]
  }),
).set(setupPaths.sshdConfig, 'Include /etc/ssh/sshd_config.d/*.conf\n')

const stock: Stock = {
  ...{ sshdStack: '# sshd stack\n', sudoStack: '# sudo stack\n', snippet: 'UsePAM yes\n' },
  ...{ sudoers: '# sudoers\n', sample: '' },
}
const host: HostFacts = {
  files,
  openssh: [9, 2],
  existing: new Set(['/etc/ssh/open-bastion_ca.pub', '/etc/ssh/revoked_keys']),
}
const plan = (openssh: readonly [number, number], takesOver = true) =>
  planHost({ ...host, openssh }, { mode: 'e', settings: {}, takesOver }, stock)
const after = (path: string, openssh: readonly [number, number] = [9, 2]) =>
  plan(openssh).edits.find((edit) => edit.path === path)?.after

test('it is known for one, and the mode that is nearest is found', () => {
  expect([isOpenBastion(files), modeThere(files)]).toEqual([true, 'e'])
  expect(isOpenBastion(new Map([[takeoverPaths.sshd, '# pam_openbastion.so\nauth required pam_unix.so\n']]))).toBe(
    false,
  )
  const stackOf = (auth: string) => new Map([[takeoverPaths.sshd, `${auth}\naccount required pam_openbastion.so\n`]])
  expect(modeThere(stackOf('auth sufficient pam_openbastion.so\nauth required pam_deny.so'))).toBe('a')
  expect(modeThere(stackOf('auth sufficient pam_openbastion.so\nauth sufficient pam_unix.so nullok'))).toBe('b')
  expect(modeThere(stackOf('auth required pam_permit.so'))).toBe('c')
})

test('one of its stacks or one of its drop-ins is enough, and other people’s are none', () => {
  for (const path of [takeoverPaths.sshd, takeoverPaths.sudo, takeoverPaths.sudoLogin])
    expect([path, isOpenBastion(new Map([[path, 'account required pam_openbastion.so\n']]))]).toEqual([path, true])
  expect(isOpenBastion(new Map([[takeoverPaths.bastion, 'UsePAM yes\n']]))).toBe(true)
  expect(isOpenBastion(new Map([[takeoverPaths.bastion, '# UsePAM yes\nAllowAgentForwarding no\n']]))).toBe(false)
  expect(isOpenBastion(new Map([[takeoverPaths.maximum, 'UsePAM yes\n']]))).toBe(false)
  expect(isOpenBastion(new Map())).toBe(false)
})

test('without the word it is refused: its drop-in for sshd sorts before ours and wins', () => {
  expect([takeoverPaths.backend, setupPaths.snippet].toSorted()[0]).toBe(takeoverPaths.backend)
  expect(plan([9, 2], false).problems).toContainEqual(expect.stringContaining('add --from-open-bastion'))
  expect(plan([9, 2]).problems).toEqual([])
})

test('nothing of it is asked any more', () => {
  for (const openssh of [
    [9, 2],
    [10, 0],
  ] as const) {
    const left = new Map([...files, ...plan(openssh).edits.map(({ path, after: text }) => [path, text] as const)])
    for (const path of [takeoverPaths.sshd, takeoverPaths.sudo, takeoverPaths.sudoLogin])
      expect([path, left.get(path)?.includes('pam_openbastion')]).toEqual([path, false])
    const dropIn = left.get(takeoverPaths.backend) ?? ''
    expect(dropIn.split('\n').filter((line) => /^\s*[A-Za-z]/.test(line))).toEqual([
      'AllowAgentForwarding no',
      'X11Forwarding no',
    ])
  }
  expect(after(setupPaths.sshdStack)).toBe(stock.sshdStack)
  expect(after(takeoverPaths.sshd, [10, 0])).toBe(stock.sshdStack)
  expect(after(takeoverPaths.sudoLogin)).toContain('@include common-session\n')
  expect(after(takeoverPaths.sudo)).toContain('@include common-session-noninteractive\n')
  expect(after(setupPaths.nsswitch)).toMatch(
    /^passwd: +files extrausers\ngroup: +files extrausers\nshadow: +files extrausers\n/,
  )
})

test('an empty list of bastions is for a person, and keys of accounts for programs go on counting', () => {
  const open = planHost(
    { ...host, files: new Map([...files, [takeoverPaths.bastions, '']]) },
    { mode: 'e', settings: {}, takesOver: true },
    { ...stock, snippet: 'AuthorizedKeysFile none\nAuthorizedKeysCommand /usr/bin/true\n' },
  )
  expect(open.problems).toEqual([expect.stringContaining('allowed_bastions is empty')])
  const command = 'AuthorizedKeysCommand /usr/local/sbin/ob-service-account-keys %u\n'
  const served = planHost(
    { ...host, files: new Map([...files, [takeoverPaths.maximum, command]]) },
    { mode: 'e', settings: {}, takesOver: true },
    { ...stock, snippet: 'AuthorizedKeysFile none\nAuthorizedKeysCommand /usr/bin/true\n' },
  )
  const snippet = ({ edits }: typeof served) => edits.find(({ path }) => path === setupPaths.snippet)?.after
  expect(snippet(served)).toContain('\nAuthorizedKeysCommand /usr/sbin/ob keys %u %t %k %f\n')
  expect(snippet(open)).toContain('AuthorizedKeysCommand /usr/bin/true')
})

test('what ends is said: recording, and that root could not log in', () => {
  const dropIn = 'Match all\n    ForceCommand /usr/sbin/ob-session-recorder\nPermitRootLogin no\n'
  const bastion = new Map([...files, [takeoverPaths.bastion, dropIn]])
  const { edits } = planHost({ ...host, files: bastion }, { mode: 'e', settings: {}, takesOver: true }, stock)
  const edit = edits.find(({ path }) => path === takeoverPaths.bastion)
  expect(edit?.why).toContain('SESSIONS ARE RECORDED NO MORE')
  expect(edit?.why).toContain('PermitRootLogin was no')
  const plain = planHost(host, { mode: 'e', settings: {}, takesOver: true }, stock)
  expect(plain.edits.find(({ path }) => path === takeoverPaths.backend)?.why).not.toContain('RECORDED')
  expect(edit?.after).toBe(
    'Match all\n# ob setup: ForceCommand /usr/sbin/ob-session-recorder\n# ob setup: PermitRootLogin no\n',
  )
})

test('its configuration is migrated on the way', () => {
  expect(checkConfig(files.get(setupPaths.configuration) ?? '').kind).toBe('refused')
  expect(checkConfig(after(setupPaths.configuration) ?? '').kind).toBe('accepted')
})

test('on a host that it never saw the word changes nothing', () => {
  const debian = {
    ...host,
    files: new Map([
      [setupPaths.nsswitch, 'passwd: files\n'],
      [setupPaths.sshdConfig, ''],
    ]),
  }
  const edits = (takesOver: boolean) => planHost(debian, { mode: 'e', settings: {}, takesOver }, stock).edits
  expect(edits(true)).toEqual(edits(false))
})
