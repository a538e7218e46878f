// The OpenPGP challenge in sudo, su and login(1), and break-glass: with the portal and without it.
import { expect } from 'bun:test'
import { configure, settleIn } from './enrolled.ts'
import type { Lab, Stack } from './lab.ts'
import { codeIn, decrypt, knock, makeKeys, messageIn, onTerminal } from './person.ts'
import { inLab } from './suite.ts'

let lab: Lab

const breakGlass = `gpg_when = unreachable
gpg_break_glass = alice
`

const test = inLab(
  {},
  async (started) => {
    lab = started
    await settleIn(lab)
    await makeKeys(lab, { alice: 'future-default', bob: 'future-default' })
    await lab.need(`ob gpg add alice /root/person/alice.asc; ob gpg add bob /root/person/bob.asc
    ob gpg add root /root/person/alice.asc`)
  },
  180_000,
)

const reasons = (): string =>
  lab
    .audit()
    .map(({ reason }) => reason)
    .join(' ')

async function begin(stack: Stack, extra = ''): Promise<void> {
  await lab.restore()
  await configure(lab, extra)
  await lab.setStack(stack)
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit /run/open-bastion/gpg /var/cache/open-bastion /run/sudo/ts/*')
  lab.audit()
}

// --- sudo, su, login -------------------------------------------------------------------------------------------------

test('sudo: the right code', async () => {
  await begin('g')
  const { code, output } = await onTerminal(lab, ['sudo', 'id', '-un'], { user: 'alice' })
  expect([code, /^root$/m.test(output), reasons()]).toEqual([
    0,
    true,
    'challenge-shown challenge-answered sudo-allowed',
  ])
})

test('sudo: a wrong code', async () => {
  await begin('g')
  const { code, output } = await onTerminal(lab, ['sudo', 'id', '-un'], {
    user: 'alice',
    answer: '0000-0000-0000-0000',
  })
  expect([code, output.includes('Access denied')]).toEqual([1, true])
  expect(reasons()).toStartWith('challenge-shown challenge-wrong')
})

test('sudo: whom the portal does not let, no code lets', async () => {
  await begin('g')
  const { code } = await onTerminal(lab, ['sudo', 'id', '-un'], { user: 'bob' })
  expect([code, reasons()]).toEqual([1, 'challenge-shown challenge-answered sudo-denied'])
})

test('two sudo at once, of one ssh connection or none, have a code each', async () => {
  await begin('g')
  const both = await Promise.all([1, 2].map(() => onTerminal(lab, ['sudo', 'id', '-un'], { user: 'alice' })))
  expect(both.map(({ code }) => code)).toEqual([0, 0])
})

test('su: the key of the account that one becomes', async () => {
  await begin('g')
  await lab.need(
    `for service in su su-l; do install -m 0644 ${lab.space.repository}/pam.d/mode-g.su /etc/pam.d/$service; done`,
  )
  const root = await onTerminal(lab, ['su', 'root', '-c', 'id -un'], { user: 'bob' })
  expect([root.code, /^root$/m.test(root.output), reasons()]).toEqual([0, true, 'challenge-shown challenge-answered'])
  const wrong = await onTerminal(lab, ['su', '-', 'root', '-c', 'id -un'], { user: 'bob', answer: 'guess' })
  expect([wrong.code, reasons()]).toEqual([1, 'challenge-shown challenge-wrong'])
})

test('login on the console', async () => {
  await begin('g', 'service_map = login=ssh\n')
  await lab.need(`install -m 0644 ${lab.space.repository}/pam.d/mode-g.login /etc/pam.d/login`)
  lab.write('/etc/profile.d/zz-lab.sh', 'echo "HERE $(id -un)"; exit\n')
  const alice = await onTerminal(lab, ['login', 'alice'])
  expect([alice.code, alice.output.includes('HERE alice')]).toEqual([0, true])
  expect(reasons()).toBe('challenge-shown challenge-answered portal-allowed session-opened')
  const wrong = await onTerminal(lab, ['login', 'alice'], { answer: 'guess' })
  expect(wrong.output).not.toContain('HERE')
  await lab.need('rm /etc/profile.d/zz-lab.sh')
})

test('nothing about the account changes by break-glass: groups and the right to sudo are what they were', async () => {
  await begin('ag', breakGlass)
  const before = await lab.need('id alice; cat /var/lib/open-bastion/users.json')
  await lab.cutNetwork('refused')
  const login = await knock(lab, { user: 'alice' })
  login.answer(codeIn(await decrypt(lab, messageIn(await login.prompt()))))
  expect((await login.end()).entered).toBe(true)
  await lab.restore()
  expect(await lab.need('id alice; cat /var/lib/open-bastion/users.json')).toBe(before)
  expect(before).toContain('open-bastion-sudo')
})

// --- recovery codes --------------------------------------------------------------------------------------------------

test('a recovery code lets in once, in place of the code of the challenge', async () => {
  await begin('g')
  const made: { readonly codes: readonly string[] } = JSON.parse(await lab.need('ob recovery make bob --json'))
  const seen: string[] = []
  for (const answer of [made.codes[7]!, made.codes[7]!, made.codes[8]!.toLowerCase()]) {
    const login = await knock(lab, { user: 'bob' })
    await login.prompt()
    login.answer(answer)
    const { entered } = await login.end()
    seen.push(`${entered ? 'in' : 'out'}: ${reasons()}`)
  }
  const good = 'in: challenge-shown recovery-code-accepted portal-allowed session-opened'
  expect(seen).toEqual([good, 'out: challenge-shown recovery-code-wrong', good])
  expect(await lab.need('ob recovery list')).toMatch(/^bob +8 left$/m)
  const files = await lab.need('cat /var/lib/open-bastion/recovery/bob /var/log/open-bastion/audit.json')
  for (const code of made.codes) expect(files).not.toContain(code.slice(3))
})

test('a recovery code breaks the glass, too, for those whom the list names', async () => {
  await begin('ag', breakGlass)
  const made: { readonly codes: readonly string[] } = JSON.parse(await lab.need('ob recovery make alice --json'))
  await lab.cutNetwork('refused')
  const login = await knock(lab, { user: 'alice' })
  await login.prompt()
  login.answer(made.codes[0]!)
  const { entered } = await login.end()
  await lab.restore()
  expect([entered, reasons()]).toEqual([true, 'challenge-shown break-glass break-glass break-glass'])
  await lab.need('ob recovery remove alice')
})

// --- break-glass -----------------------------------------------------------------------------------------------------

/** A login with the challenge, or what there was instead of one. */
async function challenged(user: string): Promise<string> {
  const login = await knock(lab, { user })
  const shown = await login.prompt().catch(() => '')
  const message = messageIn(shown)
  login.answer(message === '' ? 'no token' : codeIn(await decrypt(lab, message)))
  const { entered } = await login.end()
  return `${entered ? 'in' : 'out'}: ${reasons()}`
}

const truth: readonly (readonly [Stack, string, 'answers' | 'refused' | 'silent' | 'says 503', string])[] = [
  ['ag', 'alice', 'answers', 'out: challenge-not-offered token-malformed'],
  ['cg', 'alice', 'answers', 'out: challenge-not-offered'],
  ['eg', 'alice', 'answers', 'out: challenge-not-offered'],
  ['ag', 'alice', 'refused', 'in: challenge-shown break-glass break-glass break-glass'],
  ['ag', 'alice', 'silent', 'in: challenge-shown break-glass break-glass break-glass'],
  ['ag', 'alice', 'says 503', 'in: challenge-shown break-glass break-glass break-glass'],
  ['cg', 'alice', 'refused', 'in: challenge-shown break-glass break-glass break-glass'],
  ['eg', 'alice', 'refused', 'in: challenge-shown break-glass break-glass break-glass'],
  // gpg_break_glass does not name bob, and nothing that the portal said is kept here.
  ['ag', 'bob', 'refused', 'out: challenge-shown break-glass portal-unreachable'],
  // Nobody has a key called dave, and nobody is called ghost.
  ['ag', 'dave', 'refused', 'out: challenge-shown challenge-without-key'],
  ['ag', 'ghost', 'refused', 'out: challenge-shown unknown-to-sshd'],
]

for (const [stack, user, portal, expected] of truth)
  test(`stack ${stack}, the portal ${portal}: ${user}`, async () => {
    await begin(stack, breakGlass)
    if (portal === 'refused' || portal === 'silent') await lab.cutNetwork(portal)
    if (portal === 'says 503') await lab.portal('fault', { path: '/pam/authorize', kind: 'down' })
    const seen = await challenged(user)
    await lab.restore()
    await lab.portal('fault', { kind: 'none' })
    expect(seen).toBe(expected)
  })

test('what the portal said before lets in, too, and is what counts first', async () => {
  await begin('ag', `${breakGlass.replace('alice', 'dave')}auth_cache_enabled = true\nauth_cache_ttl = 600\n`)
  const portal = await knock(lab, { user: 'alice' })
  await portal.prompt()
  portal.answer(String(await lab.portal('mintToken', { user: 'alice' })))
  expect((await portal.end()).entered).toBe(true)
  reasons()
  await lab.cutNetwork('refused')
  const seen = await challenged('alice')
  await lab.restore()
  expect(seen).toBe('in: challenge-shown break-glass offline-allowed offline-allowed')
})

for (const stack of ['ag', 'cg', 'eg'] as const)
  test(`stack ${stack}: sudo with the challenge while the portal is unreachable`, async () => {
    await begin(stack, breakGlass)
    await lab.cutNetwork('refused')
    const alice = await onTerminal(lab, ['sudo', 'id', '-un'], { user: 'alice' })
    const seen = reasons()
    const bob = await onTerminal(lab, ['sudo', 'id', '-un'], { user: 'bob' })
    await lab.restore()
    expect([alice.code, seen]).toEqual([0, 'challenge-shown break-glass break-glass'])
    expect([bob.code, reasons()]).toEqual([1, 'challenge-shown break-glass portal-unreachable'])
  })

test('stack cg: sudo asks nothing while the portal answers', async () => {
  await begin('cg', breakGlass)
  const { code, output } = await onTerminal(lab, ['sudo', 'id', '-un'], { user: 'alice' })
  expect([code, output.trim(), reasons()]).toEqual([0, 'root', 'challenge-not-offered sudo-allowed'])
})

test('each break-glass is an event of its own, in the log and for the webhook', async () => {
  await begin('ag', `${breakGlass}notify_enabled = true\nnotify_url = http://127.0.0.1:9/\n`)
  await lab.need('rm -rf /var/lib/open-bastion/notify')
  await lab.cutNetwork('refused')
  const login = await knock(lab, { user: 'alice' })
  login.answer(codeIn(await decrypt(lab, messageIn(await login.prompt()))))
  await login.end()
  await lab.restore()
  expect(lab.audit().map(({ event_type }) => event_type)).toEqual([
    'AUTH_CHALLENGE',
    'BREAK_GLASS',
    'BREAK_GLASS',
    'BREAK_GLASS',
  ])
  expect(await lab.need('cat /var/lib/open-bastion/notify/*.json | grep -o BREAK_GLASS | sort | uniq -c')).toMatch(
    / 3 BREAK/,
  )
})
