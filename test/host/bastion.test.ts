// From a bastion to a backend, on three machines with the sshd of the system: the backend has no way to the portal.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mintToken } from './enrolled.ts'
import { environment, type Ran } from './namespace.ts'
import { hasLab, listenToSyslog, syslog } from './suite.ts'
import { addresses, startThreeHosts, type ThreeHosts } from './three-hosts.ts'

let hosts: ThreeHosts

const offline = 'bastion_jwt_offline_login = true\n'

beforeAll(async () => {
  if (!hasLab) return
  hosts = await startThreeHosts()
  await listenToSyslog(hosts.backend)
  for (const user of ['alice', 'bob']) {
    await hosts.bastion.ssh({ user, answers: [await mintToken(hosts.bastion, user)] })
    const login = await hosts.bastion.ssh({ user, answers: [await mintToken(hosts.bastion, user)] })
    if (!login.entered) throw new Error(`${user} cannot log in to the bastion: ${login.stderr}`)
  }
  hosts.configureBackend(`${offline}bastion_jwt_required = true\n`)
  await hosts.publish()
  await hosts.route(false)
}, 240_000)
afterAll(() => hosts?.stop())

const host_test = (name: string, work: () => Promise<void>, limit = 120_000) =>
  (hasLab ? test : test.skip)(name, work, limit)

const lastReason = (lab: ThreeHosts['backend']): string => String(lab.audit().at(-1)?.reason)
const left = async (): Promise<string> => (await hosts.bastion.run('ls -d /dev/shm/ob-hop-* 2>/dev/null')).stdout

host_test('ob proxy logs in on a backend that has no way to the portal, and both logs name the token', async () => {
  hosts.bastion.audit()
  const ran = await hosts.onBastion('ob proxy alice@backend "id -un; hostname"')
  expect([ran.stdout, ran.stderr, ran.code]).toEqual(['alice\nbackend\n', '', 0])
  const [vouched] = hosts.bastion.audit().filter(({ service }) => service === 'hop')
  const opened = hosts.backend.audit().at(-1)
  expect([vouched?.reason, opened?.reason]).toEqual(['hop-vouched', 'hop-offline'])
  const id = /token ([0-9a-f-]{36})/.exec(String(vouched?.['details']))?.[1]
  expect(String(opened?.['details'])).toContain(`hop from ${hosts.bastionId}, token ${id}, keys of the portal`)
})

host_test('the person needs no name, gives a port as wanted, and goes by IPv6', async () => {
  const places = [
    'backend',
    'backend:22',
    `alice@${addresses.backend}`,
    `[${addresses.backend6}]:22`,
    '-p 22 db1',
    'ssh://alice@db1:22',
  ]
  for (const place of places) {
    const ran = await hosts.onBastion(`ob proxy ${place} hostname`)
    expect([place, ran.stdout, ran.stderr]).toEqual([place, 'backend\n', ''])
  }
})

host_test('exit statuses, standard input and output are those of ssh', async () => {
  for (const status of [0, 1, 42, 254])
    expect((await hosts.onBastion(`ob proxy backend exit ${status}`)).code).toBe(status)
  expect((await hosts.onBastion("ob proxy backend 'kill -TERM $$'")).code).toBe(255)
  const made = await hosts.onBastion(
    `head -c 300000 /dev/urandom > /tmp/bytes; ob proxy backend 'cat; echo oops >&2' < /tmp/bytes > /tmp/back 2> /tmp/err; echo $?; cmp /tmp/bytes /tmp/back && cat /tmp/err`,
  )
  expect(made.stdout).toBe('0\noops\n')
  expect((await hosts.onBastion('ob proxy -o BatchMode=yes nowhere.example true')).code).toBe(255)
})

host_test('scp, sftp and rsync, as tools of ob proxy and with ob proxy as their ssh', async () => {
  const ran =
    await hosts.onBastion(`set -e; cd ~; rm -rf there back; echo one > one; mkdir -p many; echo a > many/a; echo b > 'many/b c'
    ob proxy scp -q one backend:scp-one
    ob proxy scp -q -r -p alice@backend:scp-one back
    echo 'get scp-one sftp-back' | ob proxy sftp -q -b - backend > /dev/null
    ob proxy rsync -a many/ backend:many/
    ob proxy rsync -a -z backend:many/ there/
    rsync -a -e 'ob proxy' backend:many/ there2/
    printf '#!/bin/sh\\nexec ob proxy "$@"\\n' > ob-ssh; chmod +x ob-ssh
    scp -q -S ./ob-ssh one backend:scp-two
    ob proxy backend 'cat scp-one scp-two'
    cat back sftp-back; diff -r many there && diff -r many there2 && echo same`)
  expect([ran.stdout, ran.stderr]).toEqual(['one\none\none\none\nsame\n', ''])
  for (const wrong of ['scp one two', 'scp backend:a db1:b', 'rsync a b', 'scp'])
    expect((await hosts.onBastion(`cd ~; ob proxy ${wrong}`)).code).toBe(255)
})

// As docs/bastion.md has it; ssh replaces the variable, not this program.
const agent = '$' + '{XDG_RUNTIME_DIR}/ob-%h-%p'
host_test(
  'ob proxy as ProxyCommand, and the key of the hop by IdentityAgent: every ssh of the user is a hop',
  async () => {
    hosts.bastion.write(
      '/tmp/config',
      `Host backend db1\n  ProxyCommand ob proxy -W %h:%p ${agent}\n  IdentityAgent ${agent}\n  IdentityFile none\n`,
    )
    const ran = await hosts.onBastion(
      `export XDG_RUNTIME_DIR=/dev/shm; cd; head -c 3000000 /dev/urandom > big; ssh -F /tmp/config backend 'cat > big-there; cat big-there' < big | cmp - big && echo same
    scp -q -F /tmp/config big db1:big-copied && ssh -F /tmp/config db1 cat big-copied | cmp - big && echo copied; ssh -F /tmp/config backend exit 5; echo $?`,
    )
    expect([ran.stdout, ran.stderr]).toEqual(['same\ncopied\n5\n', ''])
  },
)

/** Types on a terminal of the bastion and shows what came back. */
async function onTerminal(command: readonly string[], type: readonly (readonly [wait: string, text: string])[]) {
  const waiting = [...type]
  let output = ''
  let seen = 0
  const child = Bun.spawn(hosts.bastion.space.command(command, { user: 'alice' }), {
    env: { ...environment({ user: 'alice' }), TERM: 'xterm' },
    timeout: 60_000,
    killSignal: 'SIGKILL',
    terminal: {
      columns: 101,
      rows: 33,
      data(terminal: Bun.Terminal, bytes: Uint8Array) {
        output += new TextDecoder().decode(bytes)
        const [next] = waiting
        if (!next || !output.slice(seen).includes(next[0])) return
        waiting.shift()
        seen = output.length
        terminal.write(next[1])
      },
    } as Bun.TerminalOptions,
  })
  return { code: await child.exited, output: output.replaceAll('\r', '') }
}

host_test('a terminal is one: its size, Ctrl-C for the program over there, and the status of the shell', async () => {
  const { code, output } = await onTerminal(
    ['sh', '-c', 'stty rows 33 cols 101; exec ob proxy -t backend sh'],
    [
      ['$ ', 'stty size; tty | cut -c1-9; echo mark$((1+1))\n'],
      // Only what the program itself prints shows that it runs: an interrupt before that would be the shell's.
      ['mark2\r\n$ ', `sh -c 'echo re""ady; exec sleep 100'\n`],
      ['ready\r\n', '\u0003'],
      ['$ ', 'echo still$((3+3))\n'],
      ['still6\r\n$ ', 'exit 7\n'],
    ],
  )
  expect(output).toContain('33 101')
  expect(output).toContain('/dev/pts/')
  expect(output).toContain('still6')
  expect(code).toBe(7)
})

host_test('what a hop may do besides is the backend’s to say: no forwarding unless it is permitted', async () => {
  hosts.backend.write('/tmp/never', '')
  const forwarding = await hosts.onBastion('ob proxy -o ExitOnForwardFailure=yes -R 0:localhost:22 backend true')
  expect([forwarding.code, forwarding.stderr]).toEqual([255, expect.stringContaining('remote port forwarding failed')])
  expect((await hosts.onBastion('ob proxy -W localhost:22 backend < /dev/null')).code).toBe(255)
  hosts.configureBackend(`${offline}bastion_jwt_permits = pty, port-forwarding\n`)
  await hosts.publish()
  const permitted = await hosts.onBastion('ob proxy -W localhost:22 backend < /dev/null')
  expect(permitted.stdout).toStartWith('SSH-2.0-OpenSSH')
  hosts.configureBackend(`${offline}bastion_jwt_required = true\n`)
  await hosts.publish()
})

host_test('nothing of a hop stays behind, not even when its terminal is killed', async () => {
  const child = Bun.spawn(
    hosts.bastion.space.command(['ob', 'proxy', 'backend', 'echo up; sleep 60'], { user: 'alice' }),
    {
      env: environment({ user: 'alice' }),
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'ignore',
    },
  )
  await child.stdout.getReader().read()
  const [directory] = (await left()).trim().split('\n')
  const files = await hosts.bastion.need(
    `ls ${directory}; stat -c '%a %U' ${directory} ${directory}/*; cat ${directory}/*.pub | cut -c1-40`,
  )
  expect(files).toBe('agent\nhop.pub\n700 alice\n600 alice\n600 alice\nssh-ed25519-cert-v01@openssh.com AAAAIHN\n')
  // The private key is in no file, no argument and no environment.
  const secrets = await hosts.bastion.run(
    `grep -rl 'PRIVATE KEY' /dev/shm /tmp/ob-hop* ~alice 2>/dev/null; ps axww -o args | grep -c 'hop-agen[t]'`,
  )
  expect(secrets.stdout).toBe('1\n')
  await hosts.bastion.need('pkill -KILL -u alice -x ssh')
  await child.exited
  for (let tries = 0; tries < 100 && (await left()) !== ''; tries++) await Bun.sleep(50)
  expect([await left(), (await hosts.bastion.run('ps axwwf')).stdout]).toEqual(['', expect.any(String)])
  expect((await hosts.bastion.run("pgrep -f 'hop-agen[t]'")).stdout).toBe('')
})

type Refusal = readonly [name: string, command: () => Promise<Ran>, client: string, reason: string]
const plainSsh = 'ssh -F none -o BatchMode=yes -o ControlPath=none'

host_test('direct ssh is refused, with every other key and method, and the person reads the way in', async () => {
  await hosts.bastion.need(`test -e ~alice/own || su alice -c 'ssh-keygen -q -t ed25519 -N "" -f ~/own'`)
  hosts.backend.write('/etc/open-bastion/authorized_keys.d/alice', hosts.bastion.text('/home/alice/own.pub'))
  const ran = await hosts.onBastion(`${plainSsh} -i ~/own backend true`)
  expect([ran.code, ran.stderr]).toEqual([255, expect.stringContaining('Permission denied (publickey)')])
  // Even where sshd takes the key by itself, the session phase does not.
  await hosts.backend.need(`install -d -o alice -g alice -m 0700 ~alice ~alice/.ssh
    install -o alice -g alice -m 0600 /etc/open-bastion/authorized_keys.d/alice ~alice/.ssh/authorized_keys
    sed -i 's/^AuthorizedKeysFile none/AuthorizedKeysFile .ssh\\/authorized_keys/' /etc/ssh/sshd_config.d/00-open-bastion.conf`)
  await hosts.backend.need(
    'kill -HUP $(cat /run/sshd.pid); for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; ss -ltn | grep -q :22 && break; done',
  )
  const inside = await hosts.onBastion(`${plainSsh} -i ~/own backend true`)
  expect([inside.code, inside.stderr + inside.stdout]).toEqual([
    expect.any(Number),
    expect.stringContaining('ob proxy'),
  ])
  expect(inside.code).not.toBe(0)
  expect(lastReason(hosts.backend)).toBe('hop-required')
  const doctor = await hosts.backend.run('ob doctor')
  expect(doctor.stdout).toContain('AuthorizedKeysFile')
  expect(doctor.stdout).not.toContain('is not what openbastion.conf says')
  await hosts.backend.need(`rm ~alice/.ssh/authorized_keys /etc/open-bastion/authorized_keys.d/alice
    sed -i 's/^AuthorizedKeysFile .ssh\\/authorized_keys/AuthorizedKeysFile none/' /etc/ssh/sshd_config.d/00-open-bastion.conf
    kill -HUP $(cat /run/sshd.pid); for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; ss -ltn | grep -q :22 && break; done`)
})

const proxy = (where: string, user = 'alice') => hosts.onBastion(`ob proxy -o BatchMode=yes ${where} true`, { user })
/** What `ob keys` told syslog about the last hop that it refused. */
const lastRefusal = (): string =>
  [...hosts.backend.text(syslog).matchAll(/the hop of \w+ is refused: (hop-[a-z-]+)/g)].at(-1)?.[1] ?? 'none'

host_test('the table of refusals', async () => {
  const denied = 'Permission denied (publickey)'
  const rows: readonly Refusal[] = [
    ['log in as somebody else', () => proxy('bob@backend'), 'you are alice here; nobody vouches for bob', ''],
    [
      'a user whom the portal has not seen',
      () => hosts.onBastion('ob proxy backend true', { user: 'localadm' }),
      'not for a local account',
      '',
    ],
    ['no host', () => hosts.onBastion('ob proxy'), 'ob proxy', ''],
    [
      'an option that ssh does not have',
      () => hosts.onBastion('ob proxy -Z backend'),
      'an option that ssh does not have',
      '',
    ],
    [
      'another name for this host',
      async () => {
        await hosts.bastion.need(
          `echo '${addresses.backend} elsewhere' >> /etc/hosts; sed 's/^backend,/elsewhere,/' /etc/ssh/ssh_known_hosts | head -1 >> /etc/ssh/ssh_known_hosts`,
        )
        return proxy('elsewhere')
      },
      denied,
      'hop-target',
    ],
    [
      'another bastion',
      async () => {
        hosts.configureBackend(offline, 'somebody-else')
        await hosts.publish()
        return proxy('backend')
      },
      denied,
      'hop-bastion',
    ],
    [
      'an empty list of bastions',
      async () => {
        hosts.configureBackend('bastion_jwt_required = true\n', '')
        await hosts.publish()
        return proxy('backend')
      },
      denied,
      'hop-bastion',
    ],
    [
      'another group',
      async () => {
        hosts.configureBackend(`${offline}bastion_jwt_target_groups = other\n`)
        await hosts.publish()
        return proxy('backend')
      },
      denied,
      'hop-group',
    ],
    [
      'another issuer',
      async () => {
        hosts.configureBackend(`${offline}bastion_jwt_issuer = https://other.example.test\n`)
        await hosts.publish()
        return proxy('backend')
      },
      denied,
      'hop-issuer',
    ],
    [
      'the portal is unreachable on both',
      async () => {
        hosts.configureBackend(offline)
        await hosts.publish()
        await hosts.bastion.cutNetwork('unreachable')
        const ran = await proxy(addresses.backend)
        await hosts.bastion.restore()
        await hosts.bastion.need(`echo '${addresses.backend} backend db1' >> /etc/hosts`)
        return ran
      },
      'The single sign-on portal cannot be reached right now',
      '',
    ],
  ]
  for (const [name, command, client, reason] of rows) {
    const ran = await command()
    expect([name, ran.code]).toEqual([name, 255])
    expect([name, ran.stderr]).toEqual([name, expect.stringContaining(client)])
    if (reason !== '') expect([name, lastRefusal()]).toEqual([name, reason])
  }
  hosts.configureBackend(`${offline}bastion_jwt_required = true\n`)
  await hosts.publish()
})

host_test('what a hop adds to plain ssh on the way from the bastion to the backend', async () => {
  hosts.configureBackend(offline)
  await hosts.publish()
  await hosts.bastion.need('test -e ~alice/own || su alice -c "ssh-keygen -q -t ed25519 -N \\"\\" -f ~/own"')
  hosts.backend.write('/etc/open-bastion/authorized_keys.d/alice', hosts.bastion.text('/home/alice/own.pub'))
  await hosts.route(true)
  const took: { plain: number[]; hop: number[] } = { plain: [], hop: [] }
  for (let round = 0; round < 5; round++) {
    const plain = await hosts.onBastion(`${plainSsh} -i ~/own backend true`)
    const hop = await hosts.onBastion('ob proxy backend true')
    took.plain.push(plain.tookMs)
    took.hop.push(hop.tookMs)
    expect([plain.code, hop.code]).toEqual([0, 0])
  }
  await hosts.route(false)
  const [plain, hop] = [took.plain, took.hop].map((list) => list.toSorted((a, b) => a - b)[2]!)
  console.error(
    `ssh ${Math.round(plain!)} ms, ob proxy ${Math.round(hop!)} ms, added ${Math.round(hop! - plain!)} ms (medians of 5)`,
  )
})
