// Hops on three machines: what an attacker tries, certificates of the portal, chains of bastions, and many at once.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { makeCarrier, openHopKey } from '../../src/bastion/carrier.ts'
import { carriedToken } from '../../src/bastion/carrier-policy.ts'
import { parsePublicKey } from '../../src/ssh/wire.ts'
import { type Forgery, forgeries } from '../bastion/forged.ts'
import { mintToken } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { environment, type Ran } from './namespace.ts'
import { hasLab, listenToSyslog, startServe, syslog } from './suite.ts'
import { addresses, startThreeHosts, type ThreeHosts } from './three-hosts.ts'

let hosts: ThreeHosts
const offline = 'bastion_jwt_offline_login = true\n'

beforeAll(async () => {
  if (!hasLab) return
  hosts = await startThreeHosts()
  await listenToSyslog(hosts.backend)
  await hosts.bastion.ssh({ user: 'alice', answers: [await mintToken(hosts.bastion, 'alice')] })
  const login = await hosts.bastion.ssh({ user: 'alice', answers: [await mintToken(hosts.bastion, 'alice')] })
  if (!login.entered) throw new Error(`alice cannot log in to the bastion: ${login.stderr}`)
  hosts.configureBackend(offline)
  await hosts.publish()
  await hosts.route(false)
}, 240_000)
afterAll(() => hosts?.stop())

const host_test = (name: string, work: () => Promise<void>, limit = 120_000) =>
  (hasLab ? test : test.skip)(name, work, limit)

const lastReason = (lab: Lab): string => String(lab.audit().at(-1)?.reason)

/** Whoever has a token and makes a key of their own for it: ssh as `login` from this machine. */
async function wrapAndTry(
  lab: Lab,
  token: string,
  { as, login = 'alice' }: { as: string; login?: string },
): Promise<Ran> {
  const seed = crypto.getRandomValues(new Uint8Array(32))
  const blob = await makeCarrier(await openHopKey(seed), { token, user: login, nonce: seed.slice() })
  return present(lab, { blob, seed }, { as, login })
}

/** ssh as `login` from this machine, with this certificate in an agent and nothing else. */
async function present(
  lab: Lab,
  { blob, seed }: Forgery,
  { as, login = 'alice' }: { as: string; login?: string },
): Promise<Ran> {
  const directory = (await lab.need(`d=$(mktemp -d /run/attack-XXXXXX); chown ${as}: $d; chmod 700 $d; echo $d`)).trim()
  const order = {
    seed: seed.toBase64(),
    certificate: blob.toBase64(),
    directory,
    expiresAt: Math.floor(Date.now() / 1000) + 100,
  }
  const agent = Bun.spawn(lab.space.command(['ob', 'hop-agent'], { user: as }), {
    env: environment({ user: as }),
    stdin: new TextEncoder().encode(JSON.stringify(order)),
    stdout: 'pipe',
    stderr: 'inherit',
  })
  await agent.stdout.getReader().read()
  // With the name of a file ssh would not offer a certificate for a host; what an agent has, it offers as it is.
  const options = `-F none -o BatchMode=yes -o IdentityAgent=${directory}/agent -o IdentityFile=none`
  const ran = await lab.run(`ssh ${options} ${login}@${addresses.backend} id -un`, { user: as })
  agent.kill()
  return ran
}

const watcher = `
import os
while True:
    for p in os.listdir('/proc'):
        if not p.isdigit(): continue
        try: c = open('/proc/' + p + '/cmdline', 'rb').read().split(bytes(1))
        except OSError: continue
        if c[:3] == [b'/usr/sbin/ob', b'keys', b'alice'] and len(c) > 4:
            print(c[4].decode(), flush=True)
            raise SystemExit
`

host_test('a token that a local user reads off a command line is of no use with another key', async () => {
  // bob watches /proc on the backend while alice comes in.
  const watch = Bun.spawn(hosts.backend.space.command(['python3', '-c', watcher], { user: 'bob' }), {
    env: environment({ user: 'bob' }),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
  })
  const seen = new Response(watch.stdout).text()
  expect((await hosts.onBastion('ob proxy backend id -un')).stdout).toBe('alice\n')
  const blob = (await seen).trim()
  const key = parsePublicKey(Uint8Array.fromBase64(blob))
  if ('problem' in key) throw new Error(key.problem)
  const token = carriedToken(key)!
  const stolen = await wrapAndTry(hosts.backend, token, { as: 'bob' })
  expect([stolen.code === 0, stolen.stdout.includes('alice')]).toEqual([false, false])
  expect(lastReason(hosts.backend)).toBe('hop-replayed')
  // As somebody else it does not even come so far.
  expect((await wrapAndTry(hosts.backend, token, { as: 'bob', login: 'bob' })).stderr).toContain('Permission denied')
  // And where the bastion's addresses are named, it is refused before that, also to who is faster than alice.
  hosts.configureBackend(`${offline}bastion_jwt_sources = ${addresses.bastionInside}\n`)
  await hosts.publish()
  const fresh = await freshToken('backend')
  expect((await wrapAndTry(hosts.backend, fresh, { as: 'bob' })).stderr).toContain('Permission denied')
  expect((await hosts.onBastion('ob proxy backend id -un')).stdout).toBe('alice\n')
})

/** A token for alice on this host that nobody has used. */
async function freshToken(host: string): Promise<string> {
  const { access_token } = JSON.parse(hosts.bastion.text('/var/lib/open-bastion/token'))
  const body = JSON.stringify({ user: 'alice', target_host: host, target_group: 'truth', bastion_group: 'bastion' })
  const answer = await hosts.bastion.need(
    `curl -s --cacert /etc/open-bastion/portal-ca.pem -H "Authorization: Bearer ${access_token}" -H 'Content-Type: application/json' -d '${body}' ${hosts.bastion.portalUrl}/pam/bastion-token`,
  )
  return String(JSON.parse(answer).bastion_jwt)
}

host_test(
  'vouched for one host, used on another; a token with a line too many; the wrong end of the clock',
  async () => {
    hosts.configureBackend(offline)
    await hosts.publish()
    expect((await wrapAndTry(hosts.bastion, await freshToken('elsewhere'), { as: 'alice' })).stderr).toContain('denied')
    const old = await freshToken('backend')
    const unsigned = `${old.split('.').slice(0, 2).join('.')}.AAAA`
    expect((await wrapAndTry(hosts.bastion, unsigned, { as: 'alice' })).stderr).toContain('denied')
    const words = () => [...hosts.backend.text(syslog).matchAll(/is refused: (hop-[a-z]+)/g)].map(([, word]) => word)
    await until(() => words().at(-1) === 'hop-signature')
    expect(words().slice(-2)).toEqual(['hop-target', 'hop-signature'])
  },
)

/** Syslog is another process; what never comes is for the expectation to say. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !holds(); tries++) await Bun.sleep(20)
}

/** What `ob keys` has left in syslog about keys, line by line. */
const aboutKeys = (): readonly string[] =>
  [...hosts.backend.text(syslog).matchAll(/the (?:hop of|key that is offered for) alice .*$/gm)].map(([line]) => line)

for (const { name, make, refusal, unreadable } of forgeries)
  host_test(`a forged certificate around a good token is refused: ${name}`, async () => {
    const forged = await make(await freshToken('backend'), 'alice')
    const before = aboutKeys().length
    const ran = await present(hosts.bastion, forged, { as: 'alice' })
    expect([ran.code, ran.stdout, ran.stderr]).toEqual([255, '', expect.stringContaining('Permission denied')])
    // What the client never sends reaches `ob keys` by hand.
    if (unreadable) {
      const type = 'ssh-ed25519-cert-v01@openssh.com'
      const asked = await hosts.backend.run(`ob keys alice ${type} ${forged.blob.toBase64()}`)
      expect(asked.stdout).toBe('')
    }
    await until(() => aboutKeys().length > before)
    expect(aboutKeys().slice(before)).toEqual([refusal.replace('USER', 'alice')])
  })

host_test('the portal signs with a new key: hops go on once the backend has fetched it', async () => {
  hosts.configureBackend(offline)
  await hosts.publish()
  const hop = () => hosts.onBastion('ob proxy -o BatchMode=yes backend id -un')
  const refused = async () => {
    const ran = await hop()
    expect([ran.code, ran.stderr, aboutKeys().at(-1)]).toEqual([
      255,
      expect.stringContaining('Permission denied'),
      'the hop of alice is refused: hop-key-unknown',
    ])
  }
  expect((await hop()).stdout).toBe('alice\n')
  await hosts.bastion.portal('rotateKeys', { kid: 'rsa-2', withdraw: true })
  await refused()
  await hosts.route(true)
  // By hand at once, though the keys here are seconds old.
  await hosts.backend.need('ob heartbeat --once')
  expect((await hop()).stdout).toBe('alice\n')
  await hosts.bastion.portal('rotateKeys', { kid: 'rsa-3' })
  await refused()
  // By the timer, and by the next login, when the keys here are old and nobody has just tried.
  await hosts.backend.need('ob heartbeat')
  await refused()
  await hosts.backend.need(`touch -d '2 minutes ago' /run/open-bastion/jwks-tried
    sed -i -E 's/("fetchedAt": ?)[0-9]+/\\1'$(($(date +%s) - 400))'/' /var/lib/open-bastion/jwks.json && ob heartbeat`)
  await hosts.route(false)
  expect((await hop()).stdout).toBe('alice\n')
  const known = JSON.parse(hosts.backend.text('/var/lib/open-bastion/jwks.json'))
  const kids = known.sets.flatMap(({ keys }: { keys: readonly { kid: string }[] }) => keys.map(({ kid }) => kid))
  expect(kids).toEqual(['rsa-2', 'rsa-3'])
})

host_test(
  'a certificate of the portal for the hop, where the backend trusts its authority and names the bastion',
  async () => {
    hosts.configureBastion('bastion_transport = cert\n')
    await hosts.backend.need(`cd ${hosts.backend.space.repository} && cp packaging/ssh/mode-e.conf /etc/ssh/sshd_config.d/00-open-bastion.conf
    sed -i 's/^#AuthorizedPrincipals/AuthorizedPrincipals/' /etc/ssh/sshd_config.d/00-open-bastion.conf`)
    const authority = await hosts.bastion.need(
      `curl -s --cacert /etc/open-bastion/portal-ca.pem ${hosts.bastion.portalUrl}/ssh/ca`,
    )
    const own = hosts.backend.text('/root/authority.pub')
    hosts.backend.write('/etc/ssh/open-bastion_ca.pub', `${authority.trim()}\n${own}`)
    await reload(hosts.backend)
    const ran = await hosts.onBastion('ob proxy backend id -un')
    expect([ran.stdout, ran.stderr]).toEqual(['alice\n', ''])
    const serial = /certificate serial (\d+)/
    const [vouched] = hosts.bastion
      .audit()
      .filter(({ service, reason }) => service === 'hop' && reason === 'hop-vouched')
      .slice(-1)
    const opened = hosts.backend.audit().at(-1)
    expect(String(opened?.['details'])).toContain(`hop from ${hosts.bastionId}`)
    expect(serial.exec(String(opened?.['details']))?.[1]).toBe(serial.exec(String(vouched?.['details']))?.[1])

    // Everything that an enrolled host of anybody could have made by a portal with default settings.
    const made = async (keyId: string, more = ''): Promise<Ran> => {
      await hosts.backend.need(
        `cd /root && rm -f hop hop.pub hop-cert.pub && ssh-keygen -q -t ed25519 -N '' -f hop && ssh-keygen -q -s authority -I '${keyId}' -n alice -V -1m:+5m ${more} hop.pub`,
      )
      return hosts.backend.run(
        `ssh -F none -o BatchMode=yes -o CertificateFile=/root/hop-cert.pub -i /root/hop -o IdentitiesOnly=yes alice@${addresses.backend} id -un`,
      )
    }
    const good = `bastion=${hosts.bastionId};user=alice;target=backend`
    expect((await made(good)).stdout).toBe('alice\n')
    for (const bad of [
      `bastion=another;user=alice;target=backend`,
      `bastion=${hosts.bastionId};user=bob;target=backend`,
      `bastion=${hosts.bastionId};user=alice;target=elsewhere`,
      `bastion=${hosts.bastionId};user=alice;target=`,
      `${good};x=y`,
      ` ${good}`,
    ])
      expect([bad, (await made(bad)).stderr]).toEqual([bad, expect.stringContaining('Permission denied')])
    expect((await made(good, '-O source-address=192.0.2.1')).stderr).toContain('Permission denied')
    // Without ob principals the session phase says the same.
    await hosts.backend.need("sed -i 's/^AuthorizedPrincipalsCommand/#&/' /etc/ssh/sshd_config.d/00-open-bastion.conf")
    await reload(hosts.backend)
    const late = await made('bastion=another;user=alice;target=backend')
    expect([late.code === 0, late.stdout.includes('alice')]).toEqual([false, false])
    expect(lastReason(hosts.backend)).toBe('hop-bastion')
    hosts.configureBackend(offline, '')
    const off = await made(good)
    expect([off.code === 0, lastReason(hosts.backend)]).toEqual([false, 'hop-not-configured'])
    // The voucher is gone: the person reads what to do.
    await hosts.bastion.need('rm /run/open-bastion/vouchers/alice')
    expect((await hosts.onBastion('ob proxy backend true')).stderr).toContain('Log in to this host again')
    hosts.configureBastion()
    hosts.configureBackend(offline)
    await hosts.backend.setStack('c')
    await hosts.publish()
  },
)

/** sshd reads its files again; a signal says so, and its next line that it did. */
async function reload(lab: Lab): Promise<void> {
  const before = lab.sshdLog().length
  await lab.need('kill -HUP $(cat /run/sshd.pid)')
  for (let tries = 0; tries < 200 && !lab.sshdLog().slice(before).includes('Server listening on'); tries++)
    await Bun.sleep(20)
}

host_test(
  'a chain: bastion, backend, and from there back to the bastion, each vouched for by the one before',
  async () => {
    await hosts.route(true)
    hosts.configureBackend('serve_hops = true\nhop_target_group = bastion\n')
    await hosts.publish()
    const served = await startServe(hosts.backend, '/run/open-bastion/hop')
    const id = String(JSON.parse((await hosts.backend.run('ob status --json')).stdout).bastion_id)
    hosts.configureBastion(`bastion_jwt_allowed_bastions = ${id}\nbastion_jwt_target_names = bastion\n`)
    await hosts.bastion.need('ob heartbeat --once || :')
    await hosts.bastion.setStack('c')
    await hosts.backend.need(`echo '${addresses.bastionInside} bastion' >> /etc/hosts`)
    hosts.bastion.audit()
    const ran = await hosts.onBastion('ob proxy backend /usr/sbin/ob proxy bastion hostname')
    expect([ran.stdout, ran.stderr]).toEqual(['bastion\n', ''])
    expect(
      hosts.bastion
        .audit()
        .filter(({ event_type }) => event_type === 'SESSION_OPENED')
        .at(-1)?.reason,
    ).toBe('hop-vouched')
    await served.stop()
  },
)

/** OB_HOPS=100 for the whole of it; a machine that runs other tests beside takes minutes. */
const many = Number(process.env['OB_HOPS'] ?? 20)
host_test(
  `${many} hops of one user at once`,
  async () => {
    await hosts.backend.need(
      "sed -i '1i MaxStartups 300' /etc/ssh/sshd_config && sed -i '1i MaxSessions 300' /etc/ssh/sshd_config",
    )
    await reload(hosts.backend)
    const pid = await hosts.served.pid()
    const memory = async (name: string) =>
      Number((await hosts.bastion.need(`sed -n 's/^${name}:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/${pid}/status`)).trim())
    // The peak counts from now on (proc_pid_clear_refs(5)).
    await hosts.bastion.need(`echo 5 > /proc/${pid}/clear_refs`)
    const before = await memory('VmRSS')
    const started = performance.now()
    const ran = await hosts.onBastion(
      `cd $(mktemp -d) && for n in $(seq ${many}); do (ob proxy backend echo hop-$n > $n 2>&1) & done; wait; cat * | sort -V; rm -r $PWD`,
      { limit: 500_000 },
    )
    const [took, peak] = [performance.now() - started, await memory('VmHWM')]
    const megabytes = (kib: number) => Math.round(kib / 1024)
    console.error(
      `${many} hops at once: ${Math.round(took)} ms; ob serve ${megabytes(before)} MB before, ${megabytes(peak)} MB at most`,
    )
    expect(ran.stdout.trim().split('\n')).toEqual(Array.from({ length: many }, (_, at) => `hop-${at + 1}`))
  },
  600_000,
)
