// The web login on a real sshd and a real sudo: a person at a terminal, a browser elsewhere.
import { expect } from 'bun:test'
import { placeFunctional } from './authority.ts'
import { configure, settleIn } from './enrolled.ts'
import { type Lab, localAdmin } from './lab.ts'
import { inLab } from './suite.ts'
import { credential, onScreen, type Screen, servicePort, sshCommand, startWeb, type Web } from './web.ts'

let lab: Lab
let web: Web

const webConfig = `weblogin = portal
weblogin_url = http://127.0.0.1:${servicePort}
weblogin_token = ${credential}
`

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleIn(lab, webConfig)
  web = await startWeb(lab)
  await lab.setStack('f')
})

const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)
const confirm = async ({ handle }: Screen): Promise<string> => String(await web.service('confirm', handle))
const forgetFailures = () => lab.need('rm -rf /var/lib/open-bastion/ratelimit')

const login = async (user: string, type: (screen: Screen) => Promise<string | undefined> | string | undefined) => {
  lab.audit()
  const seen = await onScreen(lab, sshCommand(user, 'echo ENTERED $(id -un) $(pwd)'), { type })
  return { ...seen, entered: /^ENTERED (\S+)/m.exec(seen.output)?.[1], reasons: reasons() }
}

lab_test('the terminal shows an address, the page a code, and the code opens a shell as the right user', async () => {
  const seen = await login('alice', confirm)
  expect(seen.output).toContain('ENTERED alice /home/alice')
  expect(seen.addresses.length).toBe(1)
  expect(seen.reasons).toEqual(['weblogin-asked', 'weblogin-confirmed', 'portal-allowed', 'session-opened'])
  expect(lab.sshdLog()).not.toContain('Failure setting user credentials')
  // The picture begins on a line of its own, below the plain address, and fits.
  const lines = seen.output.split('\n')
  const picture = lines.filter((line) => /^[█▀▄ ]+$/.test(line) && line.trim() !== '')
  expect(picture.length).toBeGreaterThan(12)
  for (const line of picture) expect(line.length).toBeLessThanOrEqual(80)
})

lab_test('a wrong code can be tried again on the same connection, with the same address shown once', async () => {
  let right = ''
  const seen = await login('alice', async (screen) => {
    if (screen.prompt > 1) return right
    right = await confirm(screen)
    return 'BBB-BBB-BBB'
  })
  expect([seen.entered, seen.addresses.length, seen.prompts]).toEqual(['alice', 1, 2])
  expect(seen.output).toContain('The address above is still good.')
  expect(seen.reasons.slice(0, 4)).toEqual([
    'weblogin-asked',
    'weblogin-wrong-code',
    'weblogin-asked',
    'weblogin-confirmed',
  ])
})

lab_test('a code typed before the page shows one is no guess and opens nothing', async () => {
  const seen = await login('alice', async (screen) => (screen.prompt === 1 ? 'BBB-BBB-BBB' : confirm(screen)))
  expect(seen.entered).toBe('alice')
  expect(seen.reasons[1]).toBe('weblogin-too-early')
})

lab_test('nothing typed, and what no code is, never reaches the service', async () => {
  const seen = await login('alice', async (screen) => ['', 'two words', 'x'.repeat(511)][screen.prompt - 1])
  expect(seen.entered).toBeUndefined()
  expect(seen.reasons.filter((reason) => reason !== 'weblogin-asked')).toEqual([
    'weblogin-no-code',
    'weblogin-malformed-code',
    'weblogin-malformed-code',
  ])
})

lab_test('somebody else who logs in at the address opens nothing, and it is a security event', async () => {
  const seen = await login('alice', async ({ handle }) => String(await web.service('confirm', handle, 'bob')))
  expect(seen.entered).toBeUndefined()
  expect(seen.reasons).toEqual(['weblogin-asked', 'weblogin-other-user', 'weblogin-refused', 'weblogin-refused'])
  await forgetFailures()
})

lab_test('after “this was not me” the same connection gets no other address', async () => {
  const seen = await login('alice', async ({ handle }) => {
    await web.service('refuse', handle)
    return 'BBB-BBB-BBB'
  })
  expect([seen.entered, seen.addresses.length]).toEqual([undefined, 1])
  expect(new Set(seen.reasons)).toEqual(new Set(['weblogin-asked', 'weblogin-refused']))
})

lab_test('the code of one connection opens no other', async () => {
  let other = ''
  const first = login('alice', async (screen) => {
    other = await confirm(screen)
    while (other !== 'tried') await Bun.sleep(20)
    return undefined
  })
  while (other === '') await Bun.sleep(20)
  const seen = await onScreen(lab, sshCommand('alice', 'echo ENTERED $(id -un)'), {
    type: async (screen) => {
      await confirm(screen)
      return screen.prompt === 1 ? other : undefined
    },
  })
  other = 'tried'
  await first
  expect(seen.output).not.toContain('ENTERED')
  await forgetFailures()
})

lab_test('a code whose connection ended opens nothing in the next one', async () => {
  let late = ''
  await login('alice', async (screen) => {
    late = await confirm(screen)
    return undefined
  })
  const seen = await login('alice', async (screen) => (screen.prompt === 1 ? late : undefined))
  expect([seen.entered, seen.reasons[1]]).toEqual([undefined, 'weblogin-too-early'])
})

lab_test('sshd ends a login whose time is over, and what is typed then opens nothing', async () => {
  await lab.need(`sed -i 's/^LoginGraceTime 300/LoginGraceTime 4/' /etc/ssh/sshd_config.d/00-open-bastion.conf
    /usr/sbin/sshd -t`)
  await lab.restartSshd()
  const seen = await login('alice', async (screen) => {
    const code = await confirm(screen)
    // OpenSSH 9.8 and later add up to four seconds, at random.
    await Bun.sleep(8_500)
    return code
  })
  await lab.setStack('f')
  expect([seen.entered, seen.reasons]).toEqual([undefined, ['weblogin-asked']])
})

lab_test('a login that took too long gets a new address on the same connection', async () => {
  const seen = await login('alice', async (screen) => {
    if (screen.prompt > 1) return confirm(screen)
    await web.service('expire', screen.handle)
    return 'BBB-BBB-BBB'
  })
  expect([seen.entered, seen.addresses.length]).toEqual(['alice', 2])
  expect(seen.reasons[1]).toBe('weblogin-expired')
})

const lies: readonly (readonly [string, string])[] = [
  ['html', 'weblogin-garbled'],
  ['fails', 'weblogin-unreachable'],
  ['huge', 'weblogin-garbled'],
]
for (const [lie, reason] of lies)
  lab_test(`a service that answers ${lie} lets nobody in, before and after the address`, async () => {
    await web.service('lie', lie)
    const before = await login('alice', () => undefined)
    expect([before.entered, before.addresses, before.reasons[0]]).toEqual([undefined, [], reason])
    expect(before.output).toContain('cannot be reached right now')
    await web.service('lie', 'none')
    const after = await login('alice', async (screen) => {
      const code = await confirm(screen)
      await web.service('lie', lie)
      return code
    })
    await web.service('lie', 'none')
    expect([after.entered, after.reasons[1]]).toEqual([undefined, reason])
  })

lab_test('a service that is silent costs its timeout and lets nobody in', async () => {
  await web.service('lie', 'slow')
  lab.audit()
  const seen = await onScreen(lab, sshCommand('alice', 'echo ENTERED'), { type: () => undefined })
  await web.service('lie', 'none')
  expect(seen.output).not.toContain('ENTERED')
  const [first] = lab.audit()
  expect(first?.reason).toBe('weblogin-unreachable')
  // timeout = 3
  expect(Number(first?.['latency_ms'])).toBeLessThan(5_000)
})

lab_test('a service that does not know this host is a broken host', async () => {
  await lab.need(`sed -i 's/^weblogin_token = .*/weblogin_token = nonsense/' /etc/open-bastion/openbastion.conf`)
  const seen = await login('alice', () => undefined)
  await lab.need(`sed -i 's/^weblogin_token = .*/weblogin_token = ${credential}/' /etc/open-bastion/openbastion.conf`)
  expect([seen.entered, seen.reasons[0]]).toEqual([undefined, 'weblogin-refuses-host'])
  expect(seen.output).toContain('Tell its administrator')
})

lab_test('the portal decides about this host although the web login confirmed the user', async () => {
  const seen = await login('dave', confirm)
  expect([seen.entered, seen.reasons[2]]).toEqual([undefined, 'portal-denied'])
})

lab_test(
  'an unknown user sees and reads the same as a known one, and is registered where the portal allows the name',
  async () => {
    const wrong = async (user: string) => {
      const seen = await login(user, async (screen) => {
        await confirm(screen)
        return screen.prompt === 1 ? 'BBB-BBB-BBB' : undefined
      })
      // Whether the interrupt at the last prompt leaves an empty line is ssh's affair.
      const said = seen.output.slice(seen.output.indexOf('Password: ')).trimEnd()
      return { ...seen, said: said.replaceAll(user, 'USER').replace(/ref [0-9A-F]+/g, 'ref') }
    }
    const known = await wrong('alice')
    const unknown = await wrong('ghost')
    expect([known.reasons[1], unknown.reasons[1]]).toEqual(['weblogin-wrong-code', 'unknown-to-sshd'])
    expect(unknown.addresses.length).toBe(1)
    expect(known.said).toContain('Access denied')
    expect(unknown.said).toBe(known.said)
    await forgetFailures()
    const first = await login('nora', async (screen) => (screen.prompt === 1 ? confirm(screen) : undefined))
    expect([first.entered, first.reasons[1]]).toEqual([undefined, 'newcomer-registered'])
    const second = await login('nora', confirm)
    expect(second.entered).toBe('nora')
  },
)

lab_test('after too many wrong codes nothing is asked any more', async () => {
  const guess = async (screen: Screen) => {
    await confirm(screen)
    return 'BBB-BBB-BBB'
  }
  await login('bob', guess)
  await login('bob', guess)
  const seen = await login('bob', guess)
  expect([seen.addresses, new Set(seen.reasons)]).toEqual([[], new Set(['locked-out'])])
  await forgetFailures()
})

lab_test('root and local passwords have nothing to do with it', async () => {
  lab.audit()
  const root = await lab.ssh({ user: 'root', key: '/root/.ssh/id_root' })
  expect([root.entered, reasons()]).toEqual([true, []])
  const password = await lab.ssh({ user: localAdmin.name, answers: [localAdmin.password] })
  expect(password.entered).toBe(false)
  const method = await lab.ssh({ user: localAdmin.name, answers: [localAdmin.password], method: 'password' })
  expect(method.entered).toBe(false)
})

lab_test('sudo asks for a web login of its own, and the portal says who may', async () => {
  const sudo = async (user: string) => {
    lab.audit()
    const seen = await onScreen(lab, ['sudo', 'id', '-un'], { user, type: confirm })
    return { last: seen.output.trim().split('\n').at(-1), addresses: seen.addresses.length, reasons: reasons() }
  }
  expect(await sudo('alice')).toEqual({
    last: 'root',
    addresses: 1,
    reasons: ['weblogin-asked', 'weblogin-confirmed', 'sudo-allowed'],
  })
  expect((await sudo('alice')).addresses).toBe(1)
  expect((await sudo('bob')).reasons).toEqual(['weblogin-asked', 'weblogin-confirmed', 'sudo-denied'])
})

lab_test('a second try of one sudo goes on with the same address, and sudo beside it has its own', async () => {
  let right = ''
  const seen = await onScreen(lab, ['sudo', 'id', '-un'], {
    user: 'alice',
    type: async (screen) => {
      if (screen.prompt > 1) return right
      right = await confirm(screen)
      const beside = await onScreen(lab, ['sudo', 'id', '-un'], {
        user: 'alice',
        type: (other) => (other.prompt === 1 ? right : undefined),
      })
      expect(beside.output).not.toMatch(/^root$/m)
      expect(beside.addresses.length).toBe(1)
      return 'BBB-BBB-BBB'
    },
  })
  expect([seen.output.trim().split('\n').at(-1), seen.addresses.length]).toEqual(['root', 1])
  await forgetFailures()
})

lab_test('an account that turns into people turns into who logged in on the web', async () => {
  await forgetFailures()
  await lab.need(placeFunctional(lab.space.repository))
  const as = (person: string) =>
    login('login', async ({ handle }) => String(await web.service('confirm', handle, person)))
  await configure(lab, `${webConfig}functional_accounts = login\n`)
  expect((await as('alice')).reasons).toContain('weblogin-other-user')
  await configure(lab, `${webConfig}functional_accounts = login\nfunctional_logins = true\n`)
  const both = await Promise.all(['alice', 'bob'].map(as))
  expect(both.map(({ output }) => /^ENTERED .*$/m.exec(output)?.[0])).toEqual([
    'ENTERED alice /home/alice',
    'ENTERED bob /home/bob',
  ])
  for (const person of ['dave', 'root', 'login'])
    expect([person, (await as(person)).entered]).toEqual([person, undefined])
  await forgetFailures()
  await configure(lab, webConfig)
})

lab_test('sessions, codes and credentials are in no log', async () => {
  const log = lab.text('/var/log/open-bastion/audit.json') + lab.sshdLog()
  expect(log).not.toContain(credential)
  expect(log).not.toMatch(/[BCDFGHJKLMNPQRSTVWXZ]{3}-[BCDFGHJKLMNPQRSTVWXZ]{3}-[BCDFGHJKLMNPQRSTVWXZ]{3}/)
  expect(log).not.toMatch(/[BCDFGHJKLMNPQRSTVWXZ]{32}/)
})
