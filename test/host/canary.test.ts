// Recognisable secrets are put everywhere, everything is done that can be done, and then everything that was printed
// or written is searched: a secret may only be where it belongs.
import { afterAll, expect } from 'bun:test'
import { configure, enroll, inventedToken, mintToken, setRights } from './enrolled.ts'
import { type Lab, localAdmin } from './lab.ts'
import { environment } from './namespace.ts'
import { inLab, listenToSyslog, syslog } from './suite.ts'

let lab: Lab

const canary = (): string => `Canary${crypto.randomUUID().replaceAll('-', '')}`
const configured = { request_signing_secret: canary(), notify_secret: canary() }
/** What was typed or sealed and may be nowhere at all. */
const everywhere = new Map<string, string>([['the Unix password', localAdmin.password]])
/** Everything that `ob`, ssh, sudo and sshd printed. */
const printed: string[] = []

const conf = '/etc/open-bastion/openbastion.conf'
const token = '/var/lib/open-bastion/token'
const configuration = `${Object.entries(configured)
  .map(([key, value]) => `${key} = ${value}\n`)
  .join(
    '',
  )}notify_enabled = true\nnotify_url = http://127.0.0.1:9/hook\nlog_level = debug\naudit_level = all\nsecrets_encrypted = false\n`

const sampler: { child: Bun.Subprocess | undefined } = { child: undefined }

const lab_test = inLab(
  { stack: 'b' },
  async (started) => {
    lab = started
    await listenToSyslog(lab)
    await lab.need('mkdir -p /run/cores; touch /run/began')
    sampler.child = Bun.spawn(lab.space.command(['sh', '-c', sample]), {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'ignore',
      env: environment({}),
    })
    await configure(lab, configuration)
    await setRights(lab)
    expect((await enroll(lab)).code).toBe(0)
    await lab.need('ob nss add alice; ob nss add bob')
    rememberTokens()
  },
  180_000,
)

afterAll(async () => {
  sampler.child?.kill('SIGKILL')
})

const sample = `exec 2>/dev/null
  while :; do for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/cmdline; tr '\\0' '\\n' < $p/environ; done >> /run/sampled; done`

const tokens = (): { access_token: string; refresh_token: string } => JSON.parse(lab.text(token))

/** Every token this host ever had, the ones that were replaced too. */
function rememberTokens(): void {
  const { access_token, refresh_token } = tokens()
  const known = new Set(everywhere.values())
  if (!known.has(access_token)) everywhere.set(`access token ${everywhere.size}`, access_token)
  if (!known.has(refresh_token) && !refresh_token.startsWith('sealed:'))
    everywhere.set(`refresh token ${everywhere.size}`, refresh_token)
}

async function typed(user: string, kind: 'minted' | 'invented' = 'minted'): Promise<string> {
  const text = kind === 'minted' ? await mintToken(lab, user) : inventedToken()
  everywhere.set(`a ${kind} user token ${everywhere.size}`, text)
  return text
}

async function say(command: string, stdin = ''): Promise<string> {
  const { stdout, stderr } = await lab.run(command, { stdin, limit: 20_000 })
  printed.push(stdout, stderr)
  return stdout
}

async function enter(user: string, answers: readonly string[]): Promise<boolean> {
  const { stdout, stderr, prompts, entered } = await lab.ssh({ user, answers })
  printed.push(stdout, stderr, ...prompts)
  return entered
}

/** Logins, refusals and faults of every kind. */
async function live(): Promise<void> {
  const token = await typed('alice')
  expect(await enter('alice', [token])).toBe(true)
  expect(await enter('alice', [token])).toBe(false)
  expect(await enter('alice', [await typed('bob')])).toBe(false)
  expect(await enter('ghost', [await typed('ghost', 'invented')])).toBe(false)
  expect(await enter('bob', [await typed('bob', 'invented')])).toBe(false)
  expect(await enter(localAdmin.name, [localAdmin.password])).toBe(true)
  const wrong = `${localAdmin.password}${canary()}`
  everywhere.set(`a wrong password ${everywhere.size}`, wrong)
  expect(await enter(localAdmin.name, [wrong])).toBe(false)
  const sudo = await lab.sudo('alice', ['id', '-u'], [await typed('alice')])
  printed.push(sudo.output)
  expect(sudo).toMatchObject({ code: 0 })
  for (const fault of ['garbage', 'notJson', 'status500']) {
    await lab.portal('fault', { kind: fault }).catch(() => undefined)
    await enter('alice', [await typed('alice')])
  }
  await lab.portal('fault', { kind: 'none' })
  await lab.cutNetwork('refused')
  await enter('alice', [await typed('alice')])
  await say('ob doctor; ob status; ob heartbeat')
  await lab.restore()
  await lab.portal('expireAccessTokens')
  expect(await enter('alice', [await typed('alice')])).toBe(true)
  rememberTokens()
}

/** Everything an administrator can ask. */
async function ask(): Promise<void> {
  const modes = [
    'help',
    'version',
    'doctor',
    'doctor --json',
    'why alice',
    'why alice --json',
    'why alice --last --json',
    'status',
    'status --json',
    'heartbeat',
    'heartbeat --json',
    'nss list --json',
    'nss sync',
    'notify test --json',
    'notify deliver --json',
    'keys alice',
    'enroll --dry-run',
    'enroll --json',
    'secret list --json',
    'secret get request_signing_secret',
    'secret get request_signing_secret --json',
    'secret set a b',
    'secret import /etc/machine-id',
  ]
  for (const mode of modes) await say(`ob ${mode}`)
  const before = lab.text(conf)
  const broken = before
    .replace('request_signing_secret =', 'request_signing_secret')
    .replace('timeout = 3', 'timeout = 3x')
  lab.write(conf, `${broken}clien_secret = ${configured.notify_secret}\n`, 0o600)
  await say('ob doctor; ob doctor --json; ob status; ob secret list')
  await enter('alice', [await typed('alice')])
  lab.write(conf, before, 0o600)
  const whole = lab.text(token)
  lab.write(token, whole.slice(0, -20), 0o600)
  await say('ob doctor; ob status; ob heartbeat')
  await enter('alice', [await typed('alice')])
  lab.write(token, whole, 0o600)
}

/** The program, up to the moment at which it waits for the portal's answer. */
const connected = `exec 3<&0; env --default-signal=QUIT /usr/sbin/ob <&3 & pid=$!
  for try in $(seq 200); do grep -q ':4BF3 01 ' /proc/net/tcp && break; sleep 0.01; done`

/** A process that holds a token and waits for the portal dies by these signals. */
async function crash(): Promise<boolean> {
  const dump = (command: string) => `cd /run/cores; ulimit -c unlimited; ${command}`
  const control = await lab.run(dump("sh -c 'kill -SEGV $$'; ls /run/cores | grep -c core"))
  await lab.need('rm -f /run/cores/*')
  const signals = ['SEGV', 'ABRT', 'QUIT', 'BUS', 'ILL']
  // A silent portal makes no more of them, and each is used up here.
  const tokens = new Map<string, string>()
  for (const signal of signals) tokens.set(signal, await typed('alice'))
  const env = { PAM_TYPE: 'auth', PAM_USER: 'alice', PAM_SERVICE: 'sshd', PAM_RHOST: '192.0.2.7' }
  await lab.cutNetwork('silent')
  for (const [signal, token] of tokens) {
    const { code, stdout, stderr } = await lab.run(dump(`${connected}; kill -${signal} $pid; wait $pid`), {
      env,
      stdin: token,
      limit: 10_000,
    })
    // It still waited, with the token, when the signal came: the shell adds 128.
    expect([signal, code > 128]).toEqual([signal, true])
    printed.push(stdout, stderr)
  }
  await lab.restore()
  expect(await lab.need('ls /run/cores')).toBe('')
  return control.stdout.trim() !== '0'
}

/** Names of the secrets in a text. */
const found = (text: string, secrets: ReadonlyMap<string, string>): readonly string[] =>
  [...secrets].filter(([, secret]) => text.includes(secret)).map(([name]) => name)

/** Fixed words of the lab; the others are of this run alone. */
const fixed: ReadonlySet<string> = new Set(['pamsecret', localAdmin.password])

/** Files that hold a secret, each with the secrets it holds. */
async function search(secrets: ReadonlyMap<string, string>): Promise<Readonly<Record<string, readonly string[]>>> {
  const grep = async (where: string, words: readonly string[]) =>
    (await lab.run(`grep -rlaFf /dev/stdin ${where}`, { stdin: words.join('\n') })).stdout.split('\n').filter(Boolean)
  const words = [...secrets.values()]
  // The lab's own; what Bun keeps of the test programs is none of ob's.
  const own = '/etc /var/lib /var/log /var/cache /run /home /root --exclude-dir=dev --exclude-dir=.bun'
  const shared = `$(find /tmp /var/tmp -xdev -type f -newer /run/began -not -path '*/ob-lab-*' 2>/dev/null) /dev/null`
  const paths = [
    ...(await grep(own, words)),
    ...(await grep(
      shared,
      words.filter((word) => !fixed.has(word)),
    )),
  ]
  return Object.fromEntries(paths.map((path) => [path, found(lab.text(path), secrets)]))
}

const owned = () => new Map([['the client secret', 'pamsecret'], ...Object.entries(configured)])
const all = () => new Map([...owned(), ...everywhere])

lab_test('in plain text, secrets stand in the configuration and the token file and nowhere else', async () => {
  await live()
  await ask()
  if (!(await crash())) console.error('this machine writes no core files, so their absence proves nothing')
  rememberTokens()
  expect(found(printed.join('\n'), all())).toEqual([])
  const files = await search(all())
  expect(files[conf]).toEqual(['the client secret', ...Object.keys(configured)])
  expect(files[token]?.toSorted()).toEqual([
    expect.stringContaining('access token'),
    expect.stringContaining('refresh'),
  ])
  expect(Object.keys(files).toSorted()).toEqual([conf, token])
  expect(lab.text(syslog)).toContain('ob[')
  expect(lab.text('/run/sampled')).toContain('PAM_TYPE=auth')
})

lab_test('sealed, they stand nowhere at all; the access token stays in the token file', async () => {
  for (const [key, value] of [['client_secret', 'pamsecret'], ...Object.entries(configured)] as const)
    await say(`ob secret set ${key}`, value)
  lab.write(
    conf,
    lab.text(conf).replace(/^(client_secret|request_signing_secret|notify_secret|secrets_encrypted) = .*\n/gm, ''),
    0o600,
  )
  await say('ob secret rotate --json')
  expect(tokens().refresh_token).toBe('sealed:refresh_token')
  await live()
  await ask()
  rememberTokens()
  expect(found(printed.join('\n'), all())).toEqual([])
  const files = await search(all())
  expect(files).toEqual({ [token]: [expect.stringContaining('access token')] })
  await lab.need(`rm ${token}`)
  const enrolled = await enroll(lab)
  expect([enrolled.code, tokens().refresh_token]).toEqual([0, 'sealed:refresh_token'])
  const refresh = await lab.need('ob secret get refresh_token --reveal')
  expect(found(refresh, all())).toEqual([])
  rememberTokens()
  expect(await search(new Map([['the new refresh token', refresh.trim()]]))).toEqual({})
  const revealed = await lab.need('ob secret get request_signing_secret --reveal')
  expect(revealed.trim()).toBe(configured.request_signing_secret)
})
