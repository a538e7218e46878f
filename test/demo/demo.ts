// `npm run demo`: a newcomer's tour on a private host. A stand-in portal, a real sshd, a real sudo, one line a step.
import { becomeAuthority, certify, logIn, newKey, settings } from '../host/authority.ts'
import { configure, enroll, inventedToken, mintToken, setRights } from '../host/enrolled.ts'
import { type AuditLine, type Lab, Refused, startLab } from '../host/lab.ts'
import { changedFiles, machineFiles, machineState } from '../host/machine.ts'
import { codeIn, decrypt, knock, makeKeys, messageIn } from '../host/person.ts'
import { startServe } from '../host/serve.ts'
import { webLogin } from './web-login.ts'

/** What a step tried, whether it went as it must, and what happened in words. */
type Told = { readonly good: boolean; readonly happened: string }
type Step = { readonly tried: string; readonly run: (lab: Lab) => Promise<Told> }

const colour = process.stdout.isTTY === true && !process.env['NO_COLOR']
const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
const say = (text: string): void => console.log(text)

/** The first sentence that the person read. */
const read = (text: string): string => {
  const line = text.split(/\r?\n/).find((one) => /^[A-Z].*\./.test(one) && !one.includes('Permission denied'))
  return line === undefined ? 'no reason given' : `“${line.replace(/\. .*$/, '.')}”`
}

const reasonsOf = (lines: readonly AuditLine[]): string => lines.map(({ reason }) => reason).join(', ')
const remembered: AuditLine[] = []

function auditOf(lab: Lab): readonly AuditLine[] {
  const lines = lab.audit()
  remembered.push(...lines)
  return lines
}

/** A login that must be refused for exactly this reason. */
const refusal = (tried: string, reason: string, user: string, answer: (lab: Lab) => Promise<string>): Step => ({
  tried,
  run: async (lab) => {
    const login = await lab.ssh({ user, answers: [await answer(lab)] })
    const reasons = reasonsOf(auditOf(lab))
    const good = !login.entered && reasons.split(', ').at(-1) === reason
    return { good, happened: `${login.entered ? 'let in' : 'refused'}: ${read(login.stderr)} (log: ${reasons})` }
  },
})

let spent = ''

const steps: readonly Step[] = [
  {
    tried: '"ob enroll" shows a user code and the portal’s administrator approves it',
    run: async (lab) => {
      const { code, userCode } = await enroll(lab)
      return { good: code === 0, happened: code === 0 ? `enrolled with the code ${userCode}` : `ended with ${code}` }
    },
  },
  {
    tried: '"ob heartbeat" reports to the portal, as a timer will, and "ob doctor" looks at the installation',
    run: async (lab) => {
      const heartbeat = await lab.run(['/usr/sbin/ob', 'heartbeat'])
      const { code, stdout } = await lab.run(['/usr/sbin/ob', 'doctor'])
      const wrong = stdout.split('\n').filter((line) => /^(BAD|OPEN|SHUT)/.test(line))
      const happened = [...wrong, stdout.trim().split('\n').at(-1) ?? ''].join('; ')
      return { good: heartbeat.code === 0 && code === 0, happened }
    },
  },
  {
    tried: 'nora, whom this host has never seen, connects for the first time',
    run: async (lab) => {
      spent = await mintToken(lab, 'nora')
      const login = await lab.ssh({ user: 'nora', answers: [spent] })
      const reasons = reasonsOf(auditOf(lab))
      const good = !login.entered && reasons === 'newcomer-registered'
      return { good, happened: `refused, but ${good ? 'her account is ready now' : 'nothing else'} (log: ${reasons})` }
    },
  },
  {
    tried: 'nora connects once more and types her one-time token',
    run: async (lab) => {
      const command = 'echo "uid $(id -u), home $(pwd)"'
      const login = await lab.ssh({ user: 'nora', answers: [spent], command })
      const reasons = reasonsOf(auditOf(lab))
      const good = login.entered && reasons === 'token-accepted, portal-allowed, session-opened'
      return {
        good,
        happened: login.entered ? `a shell, with ${login.stdout.trim()}` : `refused: ${read(login.stderr)}`,
      }
    },
  },
  refusal('somebody who saw that token types it again', 'token-replayed', 'nora', async () => spent),
  refusal('nora types something that is no token', 'token-rejected', 'nora', async () => inventedToken()),
  refusal('nora types a token that was made for bob', 'token-of-another-user', 'nora', (lab) => mintToken(lab, 'bob')),
  {
    tried: 'dave has a good token, but the portal’s policy says no for this host',
    run: async (lab) => {
      await lab.need('ob nss add dave')
      const login = await lab.ssh({ user: 'dave', answers: [await mintToken(lab, 'dave')] })
      const reasons = reasonsOf(auditOf(lab))
      return {
        good: !login.entered && reasons === 'token-accepted, portal-denied',
        happened: `${login.entered ? 'let in' : 'refused'}: ${read(login.stderr)} (log: ${reasons})`,
      }
    },
  },
  {
    tried: 'alice, whom the portal allows sudo, logs in and runs "sudo id -un" with a fresh token',
    run: async (lab) => {
      await lab.need('ob nss add alice')
      await lab.ssh({ user: 'alice', answers: [await mintToken(lab, 'alice')] })
      auditOf(lab)
      const sudo = await lab.sudo('alice', ['id', '-un'], [await mintToken(lab, 'alice')])
      const reasons = reasonsOf(auditOf(lab))
      const became = sudo.output.trim().split('\n').at(-1) ?? ''
      return {
        good: sudo.code === 0 && became === 'root' && reasons === 'token-accepted, sudo-allowed',
        happened: `she is ${became} (log: ${reasons})`,
      }
    },
  },
  {
    tried: 'bob is in sudoers, but the portal does not allow him sudo',
    run: async (lab) => {
      await lab.need('ob nss add bob')
      lab.write('/etc/sudoers.d/bob', 'bob ALL=(ALL:ALL) ALL\n', 0o440)
      const sudo = await lab.sudo('bob', ['id', '-un'], [await mintToken(lab, 'bob')])
      const reasons = reasonsOf(auditOf(lab))
      return {
        good: sudo.code !== 0 && reasons === 'token-accepted, sudo-denied',
        happened: `${sudo.code === 0 ? 'became root' : 'refused'}: ${read(sudo.output)} (log: ${reasons})`,
      }
    },
  },
  {
    tried: 'the host changes to keys (mode C); alice comes with her key and types nothing',
    run: async (lab) => {
      await lab.setStack('c')
      await lab.need(`ssh-keygen -q -t ed25519 -N '' -f /root/alice-key
        install -m 0644 /root/alice-key.pub /etc/open-bastion/authorized_keys.d/alice`)
      const login = await lab.ssh({ user: 'alice', key: '/root/alice-key' })
      const reasons = reasonsOf(auditOf(lab))
      return {
        good: login.entered && reasons === 'portal-allowed, session-opened',
        happened: `${login.entered ? 'a shell, after the portal said that she may' : 'refused'} (log: ${reasons})`,
      }
    },
  },
  {
    tried: 'the portal is out of reach; alice tries her key, root tries root’s own',
    run: async (lab) => {
      await lab.cutNetwork('refused')
      const alice = await lab.ssh({ user: 'alice', key: '/root/alice-key' })
      const root = await lab.ssh({ user: 'root', key: '/root/.ssh/id_root' })
      await lab.restore()
      const reasons = reasonsOf(auditOf(lab))
      return {
        good: !alice.entered && root.entered && reasons === 'portal-unreachable',
        happened: `alice ${alice.entered ? 'is let in' : 'reads'} ${read(alice.stderr)}; root is ${root.entered ? 'in' : 'locked out'}`,
      }
    },
  },
  {
    tried:
      'the host is a bastion and, in this small world, its own backend; alice goes on with "ob proxy", without a key',
    run: async (lab) => {
      const role = 'serve_hops = true\nhop_target_group = truth\nbastion_jwt_target_names = localhost\n'
      await configure(lab, role)
      const { bastion_id: id } = JSON.parse((await lab.run('ob status --json')).stdout)
      await configure(lab, `${role}bastion_jwt_allowed_bastions = ${id}\nbastion_jwt_required = true\n`)
      await lab.need('ob heartbeat --once')
      lab.write('/etc/ssh/ssh_known_hosts', `localhost ${lab.text('/etc/ssh/ssh_host_ed25519_key.pub')}`)
      const served = await startServe(lab, '/run/open-bastion/hop')
      const hop = await lab.run('ob proxy localhost id -un', { user: 'alice' })
      const reasons = reasonsOf(auditOf(lab))
      await served.stop()
      return {
        good: hop.stdout === 'alice\n' && reasons === 'hop-vouched, portal-allowed, hop-vouched',
        happened: `${hop.code === 0 ? `she is ${hop.stdout.trim()} over there` : `refused: ${hop.stderr}`} (log: ${reasons})`,
      }
    },
  },
  {
    tried: 'now that a hop is required, she tries her own key again, which was good enough before',
    run: async (lab) => {
      const login = await lab.ssh({ user: 'alice', key: '/root/alice-key' })
      await configure(lab)
      return { good: !login.entered, happened: login.entered ? 'let in' : 'refused' }
    },
  },
  {
    tried:
      'alice’s OpenPGP key is on this host (mode CG, she is in gpg_break_glass); the portal is out of reach once more',
    run: async (lab) => {
      await makeKeys(lab, { alice: 'future-default' })
      await lab.need('ob gpg add alice /root/person/alice.asc')
      await configure(lab, 'gpg_when = unreachable\ngpg_break_glass = alice\n')
      await lab.setStack('cg')
      await lab.cutNetwork('refused')
      auditOf(lab)
      const login = await knock(lab, { user: 'alice' })
      login.answer(codeIn(await decrypt(lab, messageIn(await login.prompt()))))
      const { entered } = await login.end()
      await lab.restore()
      const reasons = reasonsOf(auditOf(lab))
      return {
        good: entered && reasons === 'challenge-shown, break-glass, break-glass, break-glass',
        happened: `she decrypts the challenge at home, types its code, and is ${entered ? 'in' : 'refused'} (log: ${reasons})`,
      }
    },
  },
  {
    tried:
      'alice’s key is only the first half (mode K): she reads an address, where "ob portal serve" asks for her web login',
    run: (lab) => webLogin(lab, auditOf),
  },
  {
    tried: 'the host becomes a certificate authority, and alice types "ssh ca@host token TOKEN > id-cert.pub"',
    run: async (lab) => {
      await configure(lab, settings)
      await lab.need('mkdir -p /root/keys && ob krl update --allow-empty')
      await becomeAuthority(lab)
      await newKey(lab, 'working-day')
      const { code, stdout, stderr } = await certify(lab, 'working-day', 'alice')
      const reasons = reasonsOf(auditOf(lab))
      const good = code === 0 && stdout.startsWith('ssh-ed25519-cert-v01@openssh.com ')
      return { good, happened: good ? read(stderr.replaceAll(',', '.')) : `ended with ${code} (log: ${reasons})` }
    },
  },
  {
    tried: 'with that certificate alice logs in as herself, and as the account "login", which belongs to nobody',
    run: async (lab) => {
      const direct = await logIn(lab, 'alice', 'working-day', 'id -un')
      const turned = await logIn(lab, 'login', 'working-day', 'id -un; pwd')
      const reasons = reasonsOf(auditOf(lab))
      const good = direct.stdout === 'alice\n' && turned.stdout === 'alice\n/home/alice\n'
      return { good, happened: `${turned.stdout.trim().replace('\n', ' in ') || 'nobody'} (log: ${reasons})` }
    },
  },
]

const before = machineState()

async function main(): Promise<number> {
  say('ob demo: a private host with a real sshd and sudo, and a stand-in portal. It all ends with this program.\n')
  const lab = await startLab({})
  const failed: string[] = []
  let passed = 0
  const settle = (number: number, tried: string, { good, happened }: Told): void => {
    say(`${String(number).padStart(2)} ${good ? paint(32, '✓') : paint(31, '✗')} ${tried}: ${happened}`)
    if (good) passed++
    else failed.push(`step ${number}: ${tried}`)
  }
  try {
    await configure(lab)
    await setRights(lab)
    for (const [index, step] of steps.entries()) settle(index + 1, step.tried, await step.run(lab).catch(broken))
    printAudit()
    if (failed.length > 0) say(`\nthe end of sshd's log:\n${lab.sshdLog().split('\n').slice(-40).join('\n')}`)
  } finally {
    await lab.stop()
  }
  const changed = changedFiles(before, machineState())
  settle(steps.length + 1, `the machine’s own files (${machineFiles.length} paths) are compared with before`, {
    good: changed.length === 0,
    happened: changed.length === 0 ? 'untouched' : `changed: ${changed.join(', ')}`,
  })
  for (const line of failed) say(`failed: ${line}`)
  say(
    failed.length === 0 ? `\ndemo: ${passed} steps passed` : `\ndemo: ${passed} steps passed, ${failed.length} failed`,
  )
  return failed.length === 0 ? 0 : 1
}

const broken = (error: unknown): Told => ({
  good: false,
  happened: error instanceof Error ? error.message : String(error),
})

/** The audit log of the whole tour, one short line an event; ref is the same within one connection. */
function printAudit(): void {
  say('\n   the audit log of all this (ref is the same within one connection):')
  for (const line of remembered) {
    const ref = String(line['correlation_id']).slice(0, 8).toUpperCase()
    const time = String(line['timestamp']).slice(11, 19)
    const columns = [
      time,
      ref,
      line.event_type.padEnd(15),
      String(line['user'] ?? '-').padEnd(6),
      String(line['service'] ?? '-').padEnd(5),
    ]
    say(`     ${columns.join(' ')} ${line.reason}`)
  }
  say('')
}

process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Refused ? `demo: ${error.message}` : `demo: ${error instanceof Error ? error.message : error}`)
  return 1
})
