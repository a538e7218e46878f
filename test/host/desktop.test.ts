// The console and the desktop: login(1) and PAM as greeters and screen lockers use it, with the stacks of pam.d/.
import { beforeEach, expect } from 'bun:test'
import { configure, enroll, mintAccessToken, mintToken, setRights } from './enrolled.ts'
import { type Lab, localAdmin } from './lab.ts'
import { hasLab, inLab, type Service, startServe } from './suite.ts'

let lab: Lab
let served: Service | undefined

const accessTokens = `oauth2_token_auth = true
oauth2_token_clients = pam-user
cache_ttl = 0
offline_cache_enabled = true
auth_cache_ttl = 600
`
const map = 'service_map = login=ssh, lightdm=ssh, gdm-password=ssh, unlock=ssh\n'

const lab_test = inLab({}, async (started) => {
  lab = started
  await lab.need(`
    cd ${lab.space.repository}/pam.d
    for service in login lightdm gdm-password; do install -m 0644 desktop.$service /etc/pam.d/$service; done
    install -m 0644 desktop.unlock /etc/pam.d/i3lock`)
  await configure(lab, map)
  await setRights(lab)
  const enrolled = await enroll(lab)
  if (enrolled.code !== 0) throw new Error(enrolled.output)
  for (const user of ['alice', 'bob']) await lab.need(`ob nss add ${user}`)
  await serve()
})

beforeEach(async () => {
  if (!hasLab) return
  await lab.restore()
  await setRights(lab)
  await lab.need('rm -rf /var/lib/open-bastion/ratelimit')
  lab.audit()
})

async function serve(): Promise<void> {
  served = await startServe(lab, '/run/open-bastion/unlock')
}

async function stopServing(): Promise<void> {
  await served?.stop()
  served = undefined
}

/** Another configuration, as an administrator would put it in force. */
async function reconfigure(extra: string): Promise<void> {
  await stopServing()
  await configure(lab, extra)
  await serve()
}

const reasons = (): readonly string[] => lab.audit().map(({ service, reason }) => `${service}: ${reason}`)

/** pamtester(1) does what a greeter or a locker does, one answer for each prompt. */
const pam = async (service: string, user: string, answer: string, options: { as?: string; steps?: string } = {}) => {
  const steps = (options.steps ?? 'authenticate acct_mgmt').split(' ')
  const ran = await lab.onTerminal(['pamtester', service, user, ...steps], {
    user: options.as ?? 'root',
    answers: [answer],
  })
  return { passed: ran.code === 0, output: ran.output }
}
const unlock = (user: string, answer: string, as = user) => pam('i3lock', user, answer, { as })

/** login(1) with a shell that says where it is and ends. */
const login = async (user: string, answer: string) => {
  const { code, stdout } = await lab.run(['python3', '-c', onConsole, user, answer])
  return { code, output: stdout.replaceAll('\r\n', '\n') }
}

lab_test('somebody who was never here logs in on the console with a token, and is at home', async () => {
  lab.write('/etc/profile.d/zz-lab.sh', 'echo "HERE $(id -un) $PWD"; exit\n')
  const nina = await login('nina', await mintToken(lab, 'nina'))
  expect([nina.code, nina.output.includes('HERE nina /home/nina')]).toEqual([0, true])
  expect(reasons()).toEqual(['login: token-accepted', 'login: portal-allowed', 'login: session-opened'])
})

lab_test(
  'the console: no to a wrong token, no when the portal says so, and root’s and local passwords as ever',
  async () => {
    const wrong = await login('alice', 'wrong')
    const dave = await login('dave', await mintToken(lab, 'dave'))
    const local = await login(localAdmin.name, localAdmin.password)
    await lab.need(`printf 'root:%s\n' '${localAdmin.password}' | chpasswd -c SHA256`)
    const root = await login('root', localAdmin.password)
    expect([wrong, dave, local, root].map(({ output }) => output.includes('HERE'))).toEqual([false, false, true, true])
    expect(dave.output).toContain('Your organisation does not allow this access.')
    expect(reasons()).toEqual([
      'login: not-a-token',
      'login: token-accepted',
      'login: portal-denied',
      'login: portal-allowed',
      'login: session-opened',
    ])
  },
)

for (const greeter of ['lightdm', 'gdm-password'])
  lab_test(`${greeter}: somebody who was never here gets an account before the session, and a home in it`, async () => {
    const user = greeter === 'lightdm' ? 'nils' : 'nora'
    const before = await pam(greeter, user, await mintToken(lab, user))
    expect([before.passed, (await lab.run(['getent', 'passwd', user])).code]).toEqual([true, 0])
    const steps = 'authenticate acct_mgmt setcred open_session close_session'
    const whole = await pam(greeter, user, await mintToken(lab, user), { steps })
    expect([whole.passed, (await lab.need(`stat -c %U:%a /home/${user}`)).trim()]).toEqual([true, `${user}:700`])
  })

lab_test('a service that service_map lacks is refused with just that reason, and no token is spent', async () => {
  await reconfigure('service_map = unlock=ssh\n')
  const token = await mintToken(lab, 'alice')
  const without = await pam('lightdm', 'alice', token)
  await reconfigure(map)
  const mapped = await pam('lightdm', 'alice', token)
  expect([without.passed, mapped.passed]).toEqual([false, true])
  expect(without.output).toContain('service_map has no entry')
  expect(reasons()[0]).toBe('lightdm: service-unmapped')
})

lab_test('what the portal allowed by ssh lets nobody in, while it is away, where it was never asked', async () => {
  await reconfigure('auth_cache_ttl = 600\nservice_map = unlock=ssh\n')
  await lab.ssh({ user: 'alice', answers: [await mintToken(lab, 'alice')] })
  await lab.cutNetwork('refused')
  const unmapped = await pam('lightdm', 'alice', '', { steps: 'acct_mgmt' })
  await reconfigure(`auth_cache_ttl = 600\n${map}`)
  const mapped = await pam('lightdm', 'alice', '', { steps: 'acct_mgmt' })
  await lab.restore()
  await reconfigure(map)
  expect([unmapped.passed, mapped.passed]).toEqual([false, true])
})

lab_test('a locker that runs as its user unlocks with a token, and with nothing else', async () => {
  const right = await unlock('alice', await mintToken(lab, 'alice'))
  const wrong = await unlock('alice', 'anything-else')
  const empty = await unlock('alice', '')
  expect([right.passed, wrong.passed, empty.passed]).toEqual([true, false, false])
  expect(reasons()).toEqual([
    'unlock: token-accepted',
    'unlock: portal-allowed',
    'unlock: portal-allowed',
    'unlock: not-a-token',
    'unlock: no-token',
  ])
})

lab_test('nobody unlocks for somebody else, and a token is not spent on it', async () => {
  const token = await mintToken(lab, 'alice')
  const asBob = await unlock('alice', token, 'bob')
  expect([asBob.passed, reasons()]).toEqual([false, []])
  expect(asBob.output).toContain('unlocks only the screen of the portal user who locked it')
  // Nor with a program of one's own: the kernel says who calls.
  const raw = async (user: string, as: string, answer = token) => {
    const parameters = { user, phase: 'auth', answer: btoa(answer) }
    const call = JSON.stringify({ method: 'io.openbastion.Unlock.Decide', parameters })
    return (await lab.run(['python3', '-c', speak, call], { user: as })).stdout
  }
  expect(await raw('alice', 'bob')).toContain('"allowed":false')
  expect(await raw('bob', 'bob', 'of his own')).toContain('"allowed":false')
  expect(await raw(localAdmin.name, localAdmin.name)).toContain('"allowed":false')
  expect((await unlock('alice', token)).passed).toBe(true)
})

lab_test('whoever may not use the host any more does not unlock, though many lockers ask for no account', async () => {
  await lab.portal('setRules', { group: 'truth', ssh: ['bob'] })
  const alice = await pam('i3lock', 'alice', await mintToken(lab, 'alice'), { as: 'alice', steps: 'authenticate' })
  expect([alice.passed, reasons()]).toEqual([false, ['unlock: token-accepted', 'unlock: portal-denied']])
})

lab_test('a local account unlocks with its own password, also without ob serve', async () => {
  await stopServing()
  const local = await unlock(localAdmin.name, localAdmin.password)
  const portal = await unlock('alice', await mintToken(lab, 'alice'))
  await serve()
  expect([local.passed, portal.passed]).toEqual([true, false])
  expect(portal.output).toContain('ob-serve does not answer on this host')
})

lab_test(
  'away: the password the portal confirmed unlocks, another does not; and back, only the portal counts',
  async () => {
    await reconfigure(`${accessTokens}${map}`)
    const token = await mintAccessToken(lab, 'alice')
    expect((await pam('lightdm', 'alice', token)).passed).toBe(true)
    await lab.cutNetwork('refused')
    const away = { right: await unlock('alice', token), wrong: await unlock('alice', 'another') }
    expect([away.right.passed, away.wrong.passed]).toEqual([true, false])
    expect(away.right.output).toContain('cannot be reached; using its authorization of 1 min ago')
    // A session that began offline, the portal back: what is typed must be what the portal accepts, whatever it is.
    const steps = 'authenticate acct_mgmt open_session'
    expect((await pam('lightdm', 'alice', token, { steps })).passed).toBe(true)
    await lab.restore()
    const back = [await unlock('alice', 'another'), await unlock('alice', 'another'), await unlock('alice', token)]
    await lab.cutNetwork('refused')
    const again = await unlock('alice', 'another')
    await lab.restore()
    await reconfigure(map)
    expect([...back, again].map(({ passed }) => passed)).toEqual([false, false, true, false])
  },
)

lab_test('a thousand questions of one user stop nobody else', async () => {
  const flooding = lab.run(['python3', '-c', flood], { user: 'bob' })
  const alice = await unlock('alice', await mintToken(lab, 'alice'))
  const { code } = await flooding
  expect([code, alice.passed, (await unlock('bob', 'x')).passed]).toEqual([0, true, false])
  expect((await lab.run(['pgrep', '-c', '-f', 'exe unlock'])).stdout.trim()).toBe('0')
  expect(reasons().filter((line) => line === 'unlock: not-a-token').length).toBeLessThanOrEqual(14)
})

const speak = `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect('/run/open-bastion/unlock')
s.sendall(sys.argv[1].encode() + bytes(1))
print(s.recv(4096).decode())`

const flood = `import socket
call = b'{"method":"io.openbastion.Unlock.Decide","parameters":{"user":"bob","phase":"auth","answer":"eA=="}}' + bytes(1)
for i in range(1000):
  s = socket.socket(socket.AF_UNIX)
  s.connect('/run/open-bastion/unlock')
  try:
    s.sendall([call, call * 2, call[:20], b'x' * 9000][i % 4])
    if i % 4 == 0: s.recv(4096)
  except OSError: pass
  s.close()`

// login(1) of util-linux hangs its terminal up and opens it anew: until then reading from the other end is an error,
// and a read that waits is never woken.
const onConsole = `import os, pty, re, sys, time
pid, end = pty.fork()
if pid == 0: os.execvp('login', ['login', sys.argv[1]])
os.set_blocking(end, False)
answers, said, seen, status, until = sys.argv[2:], b'', 0, None, time.time() + 10
while status is None and time.time() < until:
  try: said += os.read(end, 4096)
  except BlockingIOError: time.sleep(0.01)
  except OSError:
    gone, code = os.waitpid(pid, os.WNOHANG)
    status = os.waitstatus_to_exitcode(code) if gone else None
    time.sleep(0.01)
  if re.search(rb'(?i)(password|login)[^\\n]*: $', said[seen:]):
    seen = len(said)
    os.write(end, answers.pop(0).encode() + b'\\n' if answers else b'\\x03')
if status is None: os.kill(pid, 9)
sys.stdout.buffer.write(said)
sys.exit(1 if status is None else abs(status))`
