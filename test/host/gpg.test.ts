// An OpenPGP challenge on a real sshd: shown, decrypted with gpg, typed back; and everything that must not let in.
import { expect } from 'bun:test'
import { settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { codeIn, type Dialogue, decrypt, knock, makeKeys, messageIn } from './person.ts'
import { inLab } from './suite.ts'

let lab: Lab

const test = inLab(
  {},
  async (started) => {
    lab = started
    await settleIn(lab)
    await makeKeys(lab, { alice: 'future-default', rsa: 'rsa3072' })
    await lab.need('ob gpg add alice /root/person/alice.asc')
    await lab.setStack('g')
  },
  180_000,
)

const reasons = (): string =>
  lab
    .audit()
    .map(({ reason }) => reason)
    .join(' ')

/** Forgets what the test before left. */
async function begin(): Promise<void> {
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit /run/open-bastion/gpg')
  lab.audit()
}

const codeFor = async (login: Dialogue): Promise<string> => codeIn(await decrypt(lab, messageIn(await login.prompt())))

async function outcome(login: Dialogue): Promise<string> {
  const { entered, stderr } = await login.end()
  const seen = reasons()
  if (entered && !seen.endsWith('session-opened')) console.error(stderr)
  return `${entered ? 'in' : 'out'}: ${seen}`
}

const letIn = 'in: challenge-shown challenge-answered portal-allowed session-opened'

test('who decrypts the challenge and types its code gets a shell', async () => {
  await begin()
  const login = await knock(lab, { user: 'alice' })
  const plain = await decrypt(lab, messageIn(await login.prompt()))
  expect(plain).toMatch(/^ob 1\nhost lab\nuser alice\nfrom 127\.0\.0\.1\nservice sshd\nsession [0-9A-F]{8}\nexpires /)
  login.answer(codeIn(plain))
  expect(await outcome(login)).toBe(letIn)
  expect((await lab.run('ls /run/open-bastion/gpg')).stdout).toBe('')
})

const answers: readonly (readonly [string, (right: string) => string, string])[] = [
  ['the code as it is typed in haste', (code) => ` code ${code.toLowerCase().replaceAll('-', '')} `, letIn],
  ['a wrong code', () => '0000-0000-0000-0000', 'out: challenge-shown challenge-wrong'],
  ['something else', () => 'hunter2', 'out: challenge-shown challenge-wrong'],
  ['nothing', () => '', 'out: challenge-shown no-token'],
  ['511 bytes', () => 'f'.repeat(511), 'out: challenge-shown challenge-wrong'],
  ['900 bytes that begin with the code', (code) => code.padEnd(900, 'f'), 'out: challenge-shown challenge-wrong'],
]

for (const [name, answer, expected] of answers)
  test(name, async () => {
    await begin()
    const login = await knock(lab, { user: 'alice' })
    login.answer(answer(await codeFor(login)))
    expect(await outcome(login)).toBe(expected)
  })

test('a code counts once, and only for the challenge it was in', async () => {
  await begin()
  const first = await knock(lab, { user: 'alice' })
  const spent = await codeFor(first)
  first.answer(spent)
  expect(await outcome(first)).toBe(letIn)
  const second = await knock(lab, { user: 'alice', attempts: 2 })
  const wasted = await codeFor(second)
  second.answer(spent)
  const fresh = await codeFor(second)
  expect(new Set([spent, wasted, fresh]).size).toBe(3)
  // One try: the code of the challenge that was answered wrongly is worth nothing now.
  second.answer(wasted)
  expect(await outcome(second)).toBe('out: challenge-shown challenge-wrong challenge-shown challenge-wrong')
})

test('after a wrong code the next challenge of the same connection counts', async () => {
  await begin()
  const login = await knock(lab, { user: 'alice', attempts: 2 })
  await login.prompt()
  login.answer('0000-0000-0000-0000')
  login.answer(await codeFor(login))
  expect(await outcome(login)).toBe(`in: challenge-shown challenge-wrong ${letIn.slice(4)}`)
})

test('two logins at once have a code each; the one of the other does not count', async () => {
  await begin()
  const [left, right] = [await knock(lab, { user: 'alice' }), await knock(lab, { user: 'alice' })]
  const [leftCode, rightCode] = [await codeFor(left), await codeFor(right)]
  expect(leftCode).not.toBe(rightCode)
  left.answer(rightCode)
  expect((await left.end()).entered).toBe(false)
  right.answer(rightCode)
  expect((await right.end()).entered).toBe(true)
})

test('too late', async () => {
  await begin()
  const login = await knock(lab, { user: 'alice' })
  const code = await codeFor(login)
  await lab.need(`sed -i -E 's/"expiresAt":[0-9.]+/"expiresAt":1/' /run/open-bastion/gpg/*`)
  login.answer(code)
  expect(await outcome(login)).toBe('out: challenge-shown challenge-late')
})

test('the record of another user, service or connection', async () => {
  for (const edit of ['s/"user":"alice"/"user":"bob"/', 's/"sshd"/"sudo"/', 's/"connection":"./"connection":"_/']) {
    await begin()
    const login = await knock(lab, { user: 'alice' })
    const code = await codeFor(login)
    await lab.need(`sed -i -E '${edit}' /run/open-bastion/gpg/*`)
    login.answer(code)
    expect(await outcome(login)).toBe('out: challenge-shown challenge-of-another')
  }
})

test('a record that somebody else could have written is a fault', async () => {
  await begin()
  const login = await knock(lab, { user: 'alice' })
  const code = await codeFor(login)
  await lab.need('chmod 0666 /run/open-bastion/gpg/*')
  login.answer(code)
  expect(await outcome(login)).toBe('out: challenge-shown fault')
})

test('the key file is changed while the challenge waits', async () => {
  await begin()
  const login = await knock(lab, { user: 'alice' })
  const code = await codeFor(login)
  await lab.need('ob gpg add alice /root/person/rsa.asc')
  login.answer(code)
  expect(await outcome(login)).toBe('out: challenge-shown challenge-key-changed')
  await lab.need('rm /etc/open-bastion/gpg/alice.asc && ob gpg add alice /root/person/alice.asc')
})

test('a key file that others can write is a fault, and is named', async () => {
  await begin()
  await lab.need('chmod 0666 /etc/open-bastion/gpg/alice.asc')
  const login = await knock(lab, { user: 'alice' })
  const { stderr } = await login.end()
  expect(stderr).toContain('This host cannot check your access right now')
  expect(JSON.stringify(lab.audit())).toContain('chmod go-w /etc/open-bastion/gpg/alice.asc')
  await lab.need('chmod 0644 /etc/open-bastion/gpg/alice.asc')
})

test('nobody gets in while /run is full', async () => {
  await begin()
  await lab.need(`mkdir -p /run/open-bastion/gpg && mount -t tmpfs -o size=4k,mode=0700 full /run/open-bastion/gpg
    head -c 4096 /dev/zero > /run/open-bastion/gpg/filler`)
  const login = await knock(lab, { user: 'alice' })
  expect(await outcome(login)).toBe('out: fault')
  await lab.need('umount /run/open-bastion/gpg')
})

test('users without a key, and names that nobody has, see a challenge that looks the same', async () => {
  const shown: string[] = []
  for (const user of ['alice', 'bob', 'ghost', 'ghost']) {
    await begin()
    const login = await knock(lab, { user })
    const prompt = await login.prompt()
    shown.push(prompt.replace(/^\(\w+@127\.0\.0\.1\) /, ''))
    if (user !== 'alice') expect(await decrypt(lab, messageIn(prompt))).toMatch(/^gpg: /)
    login.answer('0000-0000-0000-0000')
    const { stderr } = await login.end()
    expect(stderr).toContain('Access denied. Each challenge has a code of its own')
  }
  // The name in the plaintext is longer by its own length, and base64 rounds.
  const lengths = shown.map((text) => messageIn(text).length)
  for (const length of lengths) expect(Math.abs(length - lengths[0]!)).toBeLessThanOrEqual(4)
  const frames = shown.map((text) => text.replace(/-----BEGIN[\s\S]*Password/, '').trim())
  expect(new Set(frames).size).toBe(1)
})

/** The middle of some numbers. */
const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

test('the time until a challenge appears says nothing about the name', async () => {
  await begin()
  const names = ['alice', 'bob', 'ghost', 'No Name!'] as const
  const ask = async (name: string): Promise<number> => {
    const env = { PAM_TYPE: 'auth', PAM_SERVICE: 'sshd', PAM_USER: name, PAM_RHOST: '127.0.0.1' }
    const ran = await lab.run(['/usr/sbin/ob', 'gpg', 'ask'], { env })
    expect(ran.code).toBe(0)
    return ran.tookMs
  }
  // Within a round the machine is as busy for one name as for the other, and each name is first, and last, as often as
  // the others: what is compared are the differences within rounds, and of them the one in the middle.
  const rounds: Record<string, number>[] = []
  for (let round = 0; round < 16; round++) {
    const took: Record<string, number> = {}
    for (let at = 0; at < names.length; at++) {
      const name = names[(round + at) % names.length]!
      took[name] = await ask(name)
    }
    rounds.push(took)
  }
  const usual = median(rounds.flatMap((took) => Object.values(took)))
  const apart = names.slice(1).map((name) => median(rounds.map((took) => took[name]! - took['alice']!)) / usual)
  console.error(
    `ob gpg ask: ${usual.toFixed(0)} ms; apart from alice: ${apart.map((part, at) => `${names[at + 1]} ${(100 * part).toFixed(1)} %`).join(', ')}`,
  )
  for (const part of apart) expect(Math.abs(part)).toBeLessThan(0.1)
  // No challenge comes before the floor (challengeFloor), however little there was to do, and however fast the machine.
  expect(Math.min(...rounds.flatMap((took) => Object.values(took)))).toBeGreaterThanOrEqual(300)
})

test('the lockout is the one of the other methods', async () => {
  await begin()
  for (let tries = 0; tries < 5; tries++) {
    const login = await knock(lab, { user: 'alice' })
    await login.prompt()
    login.answer('0000-0000-0000-0000')
    await login.end()
  }
  lab.audit()
  const login = await knock(lab, { user: 'alice' })
  login.answer(await codeFor(login))
  expect(await outcome(login)).toBe('out: challenge-shown locked-out')
})

test('a key of RSA-3072 works, too; its QR code would be too wide and is left out', async () => {
  await begin()
  await lab.need('ob gpg remove alice && ob gpg add alice /root/person/rsa.asc')
  const login = await knock(lab, { user: 'alice' })
  const shown = await login.prompt()
  expect(shown).not.toContain('█')
  login.answer(codeIn(await decrypt(lab, messageIn(shown))))
  expect(await outcome(login)).toBe(letIn)
  await lab.need('ob gpg remove alice && ob gpg add alice /root/person/alice.asc')
})

test('a terminal of 40 columns breaks the lines, and gpg reads them all the same', async () => {
  await begin()
  const login = await knock(lab, { user: 'alice' })
  const broken = messageIn(await login.prompt()).replace(/(.{40})/g, '$1\n')
  expect(broken.split('\n').every((line) => line.length <= 40)).toBe(true)
  login.answer(codeIn(await decrypt(lab, broken)))
  expect(await outcome(login)).toBe(letIn)
})

test('after a key: both are needed', async () => {
  await begin()
  const snippet = '/etc/ssh/sshd_config.d/00-open-bastion.conf'
  await lab.need(
    `cp ${lab.space.repository}/packaging/ssh/mode-g-key.conf ${snippet} && kill -HUP $(cat /run/sshd.pid)`,
  )
  const alone = await knock(lab, { user: 'alice' })
  expect((await alone.end()).entered).toBe(false)
  lab.audit()
  const login = await knock(lab, { user: 'alice', key: '/root/keys/alice-listed' })
  login.answer(await codeFor(login))
  expect(await outcome(login)).toBe(letIn)
  await lab.setStack('g')
})
