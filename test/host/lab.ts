// A whole host in a private namespace: sshd on port 22 of its own loopback, sudo, PAM, NSS, the program under test and
// the stand-in portal. Tests and the demo drive it; the machine's own files are never written.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  environment,
  isTrusted,
  type Namespace,
  type Ran,
  Refused,
  type RunOptions,
  startNamespace,
} from './namespace.ts'

export { Refused, refusal } from './namespace.ts'

export type Stack = 'a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'k' | 'ag' | 'cg' | 'eg'

export type LabOptions = {
  /** The program under test; dist/ob unless told. */
  readonly program?: string
  readonly stack?: Stack
  /** Without it there is a host but no portal: for tests of the stacks alone. */
  readonly portal?: boolean
  /** Where the portal listens; on the loopback unless told. */
  readonly portalAddress?: string
  /** sshd and all that it starts make no memory executable, as with systemd's MemoryDenyWriteExecute=. */
  readonly withoutJit?: boolean
}

export type SshOptions = {
  readonly user: string
  /** What is typed, one answer a prompt; bytes as they are. */
  readonly answers?: readonly string[]
  /** Path of a private key inside the lab. */
  readonly key?: string
  /** What the client offers; keyboard-interactive, or publickey with a key. */
  readonly method?: 'keyboard-interactive' | 'password' | 'publickey'
  readonly command?: string
  readonly options?: readonly string[]
  readonly limit?: number
}

export type Ssh = Ran & {
  /** The remote command ran to its end. */
  readonly entered: boolean
  readonly prompts: readonly string[]
}

export type OnTerminal = { readonly code: number; readonly output: string; readonly tookMs: number }

export type AuditLine = { readonly event_type: string; readonly reason: string; readonly user: string } & Readonly<
  Record<string, unknown>
>

export type PortalClient = (verb: string, body?: unknown) => Promise<unknown>

export type Cut = 'refused' | 'unreachable' | 'silent'

// Searched for on the whole disk, so in no famous sentence: Debian's package descriptions are on it.
export const localAdmin = { name: 'localadm', password: 'wrong zebra, 48 paper boats' }

const repository = join(import.meta.dir, '..', '..')
const portalName = 'auth.example.test'
const marker = 'SHELL-OK'
const portalPort = 19443
const controlPort = 19444

export type Lab = Awaited<ReturnType<typeof startLab>>

export async function startLab(options: LabOptions = {}) {
  const space = await startNamespace()
  try {
    return await furnish(space, options)
  } catch (error) {
    await space.stop()
    throw error
  }
}

async function furnish(space: Namespace, options: LabOptions) {
  const program = options.program ?? join(repository, 'dist', 'ob')
  if (!existsSync(program)) throw new Error(`${program} is not there; build it first: npm run build`)
  const relay = await startRelay(space)
  await layOut(space)
  const placed = await placeProgram(space, program)
  const portal = options.portal === false ? undefined : await startPortal(space, options.portalAddress)
  const control: PortalClient = async (verb, body = {}) => {
    const answer = await relay(`http://127.0.0.1:${controlPort}/control/${verb}`, body)
    return (answer as { readonly result: unknown }).result
  }
  let daemon: Bun.Subprocess | undefined
  let auditRead = 0

  const text = (path: string) => (existsSync(space.outside(path)) ? readFileSync(space.outside(path), 'utf8') : '')
  const write = (path: string, content: string, mode = 0o644) => writeFileSync(space.outside(path), content, { mode })
  const need = async (command: string, runOptions?: RunOptions) => {
    const ran = await space.run(command, runOptions)
    if (ran.code !== 0) throw new Error(`${command}\n${ran.stdout}${ran.stderr}`)
    return ran.stdout
  }
  const hosts = (address: string) => write('/etc/hosts', `127.0.0.1 localhost lab\n${address} ${portalName}\n`)

  const variables = JSON.stringify(Object.entries(environment({})).map(([name, value]) => `${name}=${value}`))

  const startSshd = async () => {
    const before = text('/var/log/sshd.log').length
    const settings = ['-D', '-E', '/var/log/sshd.log', '-o', 'LogLevel=DEBUG', ...(await penalties())]
    const hardened = [space.bun, `${space.repository}/test/execve.ts`, '--no-jit', '/usr/sbin/sshd', variables]
    daemon = Bun.spawn(space.command([...(options.withoutJit === true ? hardened : ['/usr/sbin/sshd']), ...settings]), {
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'ignore',
      env: environment({}),
    })
    for (let tries = 0; tries < 200; tries++) {
      if (text('/var/log/sshd.log').slice(before).includes('Server listening on')) return
      await Bun.sleep(10)
    }
    throw new Error(`sshd does not start:\n${text('/var/log/sshd.log').slice(before)}`)
  }
  // OpenSSH 9.8 slows down an address that fails often, which is all that a truth table does.
  const penalties = async () => {
    const option = ['-o', 'PerSourcePenalties=no']
    return (await space.run(['/usr/sbin/sshd', '-t', ...option])).code === 0 ? option : []
  }
  const stopSshd = async () => {
    if (daemon === undefined) return
    await space.run('kill "$(cat /run/sshd.pid)"')
    await daemon.exited
  }
  const restartSshd = async () => {
    await stopSshd()
    await startSshd()
  }
  /** Puts a mode's PAM stacks, sshd snippet and sudoers file in place, as an administrator would. */
  const setStack = async (stack: Stack) => {
    await need(`
      cd ${space.repository}
      install -m 0644 pam.d/mode-${stack}.sshd /etc/pam.d/sshd
      install -m 0644 pam.d/mode-${stack}.sudo /etc/pam.d/sudo
      install -m 0644 pam.d/mode-${stack}.sudo /etc/pam.d/sudo-i
      install -m 0644 packaging/ssh/mode-${stack}.conf /etc/ssh/sshd_config.d/00-open-bastion.conf
      install -m 0440 packaging/sudoers/open-bastion /etc/sudoers.d/open-bastion
      /usr/sbin/sshd -t`)
    await restartSshd()
  }

  let dialogues = 0
  const ssh = async (asked: SshOptions): Promise<Ssh> => {
    const folder = `${space.scratch}/dialogue-${++dialogues}`
    await need(`mkdir ${folder}`)
    for (const [at, answer] of (asked.answers ?? []).entries()) write(`${folder}/${at + 1}`, `${answer}\n`)
    const method = asked.method ?? (asked.key === undefined ? 'keyboard-interactive' : 'publickey')
    const fixed = { StrictHostKeyChecking: 'no', UserKnownHostsFile: '/dev/null', LogLevel: 'INFO', ConnectTimeout: 10 }
    const argv = ['ssh', '-F', 'none', ...Object.entries(fixed).flatMap(([name, value]) => ['-o', `${name}=${value}`])]
    argv.push('-o', `PreferredAuthentications=${method}`, '-o', `NumberOfPasswordPrompts=${asked.answers?.length || 1}`)
    if (asked.key !== undefined) argv.push('-i', asked.key, '-o', 'IdentitiesOnly=yes')
    else argv.push('-o', 'PubkeyAuthentication=no')
    argv.push(...(asked.options ?? []), `${asked.user}@127.0.0.1`)
    if (asked.command !== '') argv.push(asked.command ?? `echo ${marker}`)
    const askpass = { SSH_ASKPASS: `${space.scratch}/askpass`, SSH_ASKPASS_REQUIRE: 'force', OB_LAB_DIALOGUE: folder }
    const ran = await space.run(argv, { env: askpass, limit: asked.limit ?? 40_000 })
    const prompts = text(`${folder}/prompts`).split('\n').filter(Boolean)
    const entered = ran.code === 0 && (asked.command !== undefined || ran.stdout.includes(marker))
    return { ...ran, stderr: ran.stderr.replace(/^Warning: Permanently added.*\r?\n/gm, ''), entered, prompts }
  }

  /** A program on a terminal: answers are typed when a prompt appears. */
  const onTerminal = async (
    argv: readonly string[],
    { user = 'root', answers = [] }: { readonly user?: string; readonly answers?: readonly string[] } = {},
  ): Promise<OnTerminal> => {
    const started = performance.now()
    const waiting = [...answers]
    let output = ''
    let seen = 0
    const child = Bun.spawn(space.command(argv, { user }), {
      env: { ...environment({ user }), TERM: 'dumb' },
      timeout: 40_000,
      killSignal: 'SIGKILL',
      terminal: {
        columns: 120,
        rows: 40,
        data(terminal: Bun.Terminal, bytes: Uint8Array) {
          output += new TextDecoder().decode(bytes)
          if (!/(?:password|token|login)[^\n]*: $/i.test(output.slice(seen))) return
          seen = output.length
          // ^C when nothing is left to type: sudo gives up as it would for a person.
          const answer = waiting.shift()
          terminal.write(answer === undefined ? '\u0003' : `${answer}\n`)
        },
      } as Bun.TerminalOptions,
    })
    const code = await child.exited
    return { code, output: output.replaceAll('\r\n', '\n'), tookMs: performance.now() - started }
  }
  const sudo = (user: string, argv: readonly string[], answers: readonly string[] = []): Promise<OnTerminal> =>
    onTerminal(['sudo', ...argv], { user, answers })

  /** Audit lines written since the last call. */
  const audit = (): readonly AuditLine[] => {
    const whole = text('/var/log/open-bastion/audit.json')
    const fresh = whole.slice(auditRead)
    auditRead = whole.length
    return fresh
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  }

  /** Takes the portal away: nobody listens, no route leads there, or it accepts and never answers. */
  const cutNetwork = async (how: Cut = 'refused') => {
    if (how === 'silent') await need(`kill -STOP ${portal?.pid}`)
    else {
      hosts(how === 'refused' ? '127.0.0.9' : '192.0.2.1')
      // ob serve keeps a connection, and remembers addresses for half a minute.
      if (portal !== undefined) await control('halt')
    }
  }
  const restore = async () => {
    hosts('127.0.0.1')
    if (portal === undefined) return
    await need(`kill -CONT ${portal.pid}`)
    await control('start')
  }
  /** Puts another program, or nothing, at /usr/sbin/ob; `restoreProgram` brings the real one back. */
  const replaceProgram = (script: string | undefined) =>
    need(
      script === undefined
        ? 'umount --lazy /usr/sbin/ob && rm /usr/sbin/ob'
        : `umount --lazy /usr/sbin/ob && printf '%s' "$SCRIPT" > /usr/sbin/ob && chmod 0755 /usr/sbin/ob`,
      { env: { SCRIPT: script ?? '' } },
    )
  const restoreProgram = () => need(placed)

  hosts('127.0.0.1')
  await setStack(options.stack ?? 'a')
  return {
    space,
    portal: control,
    portalUrl: portal?.url ?? '',
    portalCa: portal === undefined ? '' : text(portal.ca),
    run: space.run,
    need,
    ssh,
    sudo,
    onTerminal,
    audit,
    text,
    write,
    setStack,
    restartSshd,
    cutNetwork,
    restore,
    replaceProgram,
    restoreProgram,
    sshdLog: () => text('/var/log/sshd.log'),
    stop: async () => {
      // nsenter stops with a portal that was made silent, and would stay so.
      portal?.process.kill('SIGKILL')
      await space.stop()
    },
  }
}

/** Users, keys and names that the lab adds to its copy of /etc. */
export async function layOut(space: Namespace): Promise<void> {
  const ran = await space.run(
    `set -e
    sed -i -E 's/^(passwd|group|shadow):.*/\\1: files extrausers/' /etc/nsswitch.conf
    rm -f /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d/* /etc/nologin
    tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
    ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
    # People of the machine are nobody here: one of them may be called alice.
    for name in $(awk -F: '$3 >= 1000 && $3 < 60000 { print $1 }' /etc/passwd /etc/group | sort -u); do
      sed -i "/^$name:/d" /etc/passwd /etc/shadow /etc/group /etc/gshadow
    done
    useradd -m -s /bin/bash -G sudo ${localAdmin.name}
    useradd --system --home-dir / --shell /usr/sbin/nologin ob-keys
    printf '%s\\n' '${localAdmin.name}:${localAdmin.password}' | chpasswd -c SHA256
    install -d -m 0755 /etc/open-bastion /etc/open-bastion/authorized_keys.d
    install -d -m 0700 /root/.ssh
    ssh-keygen -q -t ed25519 -N '' -C root -f /root/.ssh/id_root
    cp /root/.ssh/id_root.pub /root/.ssh/authorized_keys
    ssh-keygen -q -t ed25519 -N '' -C authority -f /root/authority
    cp /root/authority.pub /etc/ssh/open-bastion_ca.pub
    ssh-keygen -q -k -f /etc/ssh/revoked_keys
    if ! ldconfig -p | grep -q libnss_systemd && [ -e ${space.repository}/build/tools/nss ]; then
      cp -r ${space.repository}/build/tools/nss ${space.scratch}/nss
      echo ${space.scratch}/nss > /etc/ld.so.conf.d/zz-lab.conf
      ldconfig -X
    fi
    cat > ${space.scratch}/askpass`,
    { stdin: askpass },
  )
  const made = await space.run(['chmod', '0755', `${space.scratch}/askpass`])
  if (ran.code !== 0 || made.code !== 0) throw new Error(`the lab cannot be laid out: ${ran.stderr}${made.stderr}`)
}

// ssh runs it for each prompt (SSH_ASKPASS, ssh(1)); an answer that is missing is a person who walks away.
const askpass = `#!/bin/sh
cd "$OB_LAB_DIALOGUE" || exit 1
n=$(($(cat count 2>/dev/null || echo 0) + 1))
echo $n > count
printf '%s\\n' "$1" >> prompts
exec cat $n
`

/** Returns the command that puts the program at /usr/sbin/ob. */
async function placeProgram(space: Namespace, program: string): Promise<string> {
  // A link into the tree would do for sshd only when every parent is root's; a copy always does.
  const copy = `install -o root -g root -m 0755 '${program}' ${space.scratch}/bin/ob`
  const bind = (from: string) =>
    `umount -q /usr/sbin/ob; rm -f /usr/sbin/ob && touch /usr/sbin/ob && mount --bind '${from}' /usr/sbin/ob`
  const reachable = program.startsWith(repository) ? program.replace(repository, space.repository) : program
  const direct = isTrusted(program)
  const command = direct ? bind(reachable) : bind(`${space.scratch}/bin/ob`)
  const ran = await space.run(direct ? command : `${copy.replace(program, reachable)} && ${command}`)
  if (ran.code !== 0) throw new Error(`/usr/sbin/ob cannot be placed: ${ran.stderr}`)
  return command
}

export async function startPortal(space: Namespace, address = '127.0.0.1') {
  const folder = `${space.scratch}/portal`
  const script = `${space.repository}/test/portal/main.ts`
  const places = [
    '--port',
    String(portalPort),
    '--control-port',
    String(controlPort),
    '--dir',
    folder,
    '--address',
    address,
  ]
  await space.run(['mkdir', folder])
  const started = Bun.spawn(space.command([space.bun, script, ...places, '--host', portalName]), {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    env: environment({}),
  })
  for await (const line of lines(started.stdout)) {
    if (!line.startsWith('{')) continue
    // `pid` is the portal's own number inside; the process that this one started is nsenter.
    const ready: { url: string; ca: string; pid: number } = JSON.parse(line)
    return { ...ready, process: started }
  }
  throw new Error(`the stand-in portal does not start:\n${await new Response(started.stderr).text()}`)
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let kept = ''
  for await (const chunk of stream) {
    const parts = (kept + decoder.decode(chunk, { stream: true })).split('\n')
    kept = parts.pop() ?? ''
    yield* parts
  }
}

/** Carries POST requests into the private network. */
export async function startRelay(space: Namespace) {
  const agent = Bun.spawn(space.command([space.bun, `${space.repository}/test/host/agent.ts`]), {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
    env: environment({}),
  })
  type Reply = { readonly id: number; readonly status: number; readonly text: string }
  const waiting = new Map<number, (reply: Reply) => void>()
  const up = new Promise<Reply>((resolve) => waiting.set(0, resolve))
  const pump = async () => {
    for await (const line of lines(agent.stdout)) {
      const reply: Reply = JSON.parse(line)
      waiting.get(reply.id)?.(reply)
      waiting.delete(reply.id)
    }
  }
  pump()
  const ended = agent.exited.then(() => ({ id: -1, status: 0, text: 'the relay ended' }))
  const raised = await Promise.race([up, ended])
  if (raised.status !== 200) throw new Refused(raised.text)
  let last = 0
  return async (url: string, body: unknown): Promise<unknown> => {
    const id = ++last
    const reply = new Promise<Reply>((resolve) => waiting.set(id, resolve))
    agent.stdin.write(`${JSON.stringify({ id, url, body: JSON.stringify(body) })}\n`)
    agent.stdin.flush()
    const { status, text } = await Promise.race([reply, ended])
    if (status !== 200) throw new Error(`${url}: ${status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
}
