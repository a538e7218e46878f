// Which units have to run for what is configured, and what sshd's account can read.
import { expect, test } from 'bun:test'
import type { Finding } from '../../src/base/finding.ts'
import { checkConfig } from '../../src/config/load.ts'
import { judgeKeyFiles } from '../../src/health/key-files.ts'
import { parseSshdSettings } from '../../src/health/sshd-settings-format.ts'
import { judgeUnits } from '../../src/health/units.ts'
import { fakeWorld } from '../fakes/world.ts'

const configOf = (extra: string) => {
  const checked = checkConfig(
    `portal_url = https://auth.example.test\nclient_id = a\nclient_secret = b\nserver_group = c\ncreate_user = true\n${extra}`,
  )
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}

type Shown = Readonly<Record<string, string>>

const healthy: Shown = { ActiveState: 'active', UnitFileState: 'enabled', Result: 'success', ReadWritePaths: '/run' }
const installed = ['ob-monitor.timer', 'ob-krl.timer'].map((name) => [`/etc/systemd/system/${name}`, ''] as const)

/** `idle` are the timers that do not run. */
const judge = (extra: string, serve: Shown, idle: readonly string[] = [], sshd = '') =>
  judgeUnits(
    fakeWorld({
      files: { '/run/systemd/system': '', ...Object.fromEntries(installed) },
      spawn: ([, verb, , unit = '']) =>
        verb === 'show'
          ? {
              code: 0,
              stdout: Object.entries(serve)
                .map(([name, value]) => `${name}=${value}\n`)
                .join(''),
            }
          : { code: idle.includes(unit) ? 3 : 0 },
    }),
    configOf(extra),
    { portal: parseSshdSettings(sshd), root: new Map(), local: undefined },
  )
const said = async (findings: Promise<readonly Finding[]>): Promise<string> =>
  (await findings).map(({ verdict, message }) => `${verdict}: ${message}`).join('\n')

const dead: Shown = { ...healthy, ActiveState: 'failed', Result: 'exit-code' }
const never: Shown = { ActiveState: 'inactive', UnitFileState: '', Result: 'success' }

test('all that is needed runs', async () => {
  expect(await said(judge('', healthy))).toBe('good: the units that this configuration needs run')
  // A host that never had it does without it.
  expect(await said(judge('', never))).toStartWith('good')
})

test.each([
  ['ob serve dead', '', dead, /^bad: ob serve does not run \(exit-code\)/],
  ['ob serve dead, and the only source of accounts', 'create_user_target = userdb\n', dead, /^shut: ob serve/],
  ['ob serve never started, and lockers need it', 'service_map = unlock=ssh\n', never, /^bad: ob serve does not run/],
  ['enabled and stopped', '', { ...healthy, ActiveState: 'inactive' }, /^bad: ob serve/],
  [
    'accounts in /etc/passwd that it may not write',
    'create_user_target = passwd\n',
    healthy,
    /^bad: .*may not write to \/etc/,
  ],
] as const)('%s', async (_name, extra, serve, expected) => {
  expect(await said(judge(extra, serve))).toMatch(expected)
})

test('accounts in /etc/passwd that it may write', async () => {
  const serve = { ...healthy, ReadWritePaths: '/run /etc -/var/cache/open-bastion' }
  expect(await said(judge('create_user_target = passwd\n', serve))).toStartWith('good')
})

test('the timers that matter, and only those', async () => {
  const off = ['ob-monitor.timer', 'ob-krl.timer']
  expect(await said(judge('', healthy, off))).toMatch(/^bad: ob-monitor.timer does not run$/)
  expect(await said(judge('offline_revalidation_enabled = false\n', healthy, off))).toStartWith('good')
  const sshd = 'revokedkeys /etc/ssh/revoked_keys\n'
  expect(await said(judge('offline_revalidation_enabled = false\n', healthy, off, sshd))).toMatch(/^bad: ob-krl.timer/)
})

test('without systemd nothing is asked of it', async () => {
  const world = fakeWorld({})
  expect(await judgeUnits(world, configOf(''), { problem: '' })).toEqual([])
})

const sshdWith = (
  more = '',
): { portal: ReturnType<typeof parseSshdSettings>; root: Map<string, string[]>; local: undefined } => ({
  portal: parseSshdSettings(
    `authorizedkeyscommand /usr/sbin/ob keys %u %t %k %f\nauthorizedkeyscommanduser ob-keys\npubkeyauthentication yes\n${more}`,
  ),
  root: new Map(),
  local: undefined,
})

const file = '/etc/open-bastion/authorized_keys.d/alice'
async function readable(mode: number, more = ''): Promise<string> {
  const world = fakeWorld({
    files: { [file]: 'ssh-ed25519 AAAA\n' },
    spawn: () => ({ code: 0, stdout: 'ob-keys:x:995:995::/:/x\n' }),
  })
  world.disk.get(file)!.mode = mode
  return said(judgeKeyFiles(world, sshdWith(more)))
}

test('a key file that root alone can read is no key for sshd', async () => {
  expect(await readable(0o644)).toBe('')
  expect(await readable(0o600)).toMatch(/^bad: ob-keys, as which sshd runs ob keys, cannot read .*alice$/)
  expect(await readable(0o640)).toMatch(/^bad/)
})

test.each([
  ['524288', true],
  ['infinity', true],
  ['4096', false],
])('sshd with %s open files: named %p', async (limit, isNamed) => {
  const found = await said(judge('', { ...healthy, LoadState: 'loaded', LimitNOFILE: limit }))
  expect(found.includes('ssh.service lets a process open')).toBe(isNamed)
  expect(await said(judge('', { ...healthy, LoadState: 'not-found', LimitNOFILE: limit }))).not.toContain('ssh.service')
})
