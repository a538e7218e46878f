// A person with an OpenPGP key, far away from the host: reads what the login shows, decrypts it, types something back.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Lab } from './lab.ts'
import { environment } from './namespace.ts'

// ssh runs it for each prompt (SSH_ASKPASS, ssh(1)).
const askpass = `#!/bin/sh
cd "$OB_LAB_DIALOGUE" || exit 1
n=$(($(cat count 2>/dev/null || echo 0) + 1))
echo $n > count
printf '%s' "$1" > new && mv new prompt.$n
while [ ! -e answer.$n ]; do sleep 0.02; done
exec cat answer.$n
`

const ready = new WeakSet<Lab>()
let dialogues = 0

export type Dialogue = {
  /** What was shown, prompt by prompt. */
  readonly prompts: readonly string[]
  /** The next prompt, when it is there. */
  readonly prompt: () => Promise<string>
  readonly answer: (text: string) => void
  readonly end: () => Promise<{ readonly entered: boolean; readonly stdout: string; readonly stderr: string }>
}

export type Knocking = {
  readonly user: string
  readonly key?: string
  readonly attempts?: number
  readonly env?: Readonly<Record<string, string>>
}

/** Begins a login; the person answers when they like. */
export async function knock(lab: Lab, { user, key, attempts = 1, env = {} }: Knocking): Promise<Dialogue> {
  const script = `${lab.space.scratch}/person`
  if (!ready.has(lab)) await lab.need(`cat > ${script} && chmod 0755 ${script}`, { stdin: askpass })
  ready.add(lab)
  const folder = `${lab.space.scratch}/person-${++dialogues}`
  await lab.need(`mkdir ${folder}`)
  const methods = key === undefined ? 'keyboard-interactive' : 'publickey,keyboard-interactive'
  const options = {
    ...{ StrictHostKeyChecking: 'no', UserKnownHostsFile: '/dev/null', LogLevel: 'INFO', ConnectTimeout: 10 },
    ...{ PreferredAuthentications: methods, NumberOfPasswordPrompts: attempts, IdentitiesOnly: 'yes' },
    ...(key === undefined ? { PubkeyAuthentication: 'no' } : { IdentityFile: key }),
  }
  const argv = ['ssh', '-F', 'none', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])]
  const child = Bun.spawn(lab.space.command([...argv, `${user}@127.0.0.1`, 'echo SHELL-OK']), {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 60_000,
    killSignal: 'SIGKILL',
    env: environment({
      env: { SSH_ASKPASS: script, SSH_ASKPASS_REQUIRE: 'force', OB_LAB_DIALOGUE: folder, ...env },
    }),
  })
  const at = (name: string): string => lab.space.outside(`${folder}/${name}`)
  const prompts: string[] = []
  let answers = 0
  const output = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return {
    prompts,
    prompt: async () => {
      const file = at(`prompt.${prompts.length + 1}`)
      while (!existsSync(file)) {
        if (child.exitCode !== null) throw new Error(`ssh ended: ${(await output)[1]}`)
        await Bun.sleep(5)
      }
      prompts.push(readFileSync(file, 'utf8'))
      return prompts.at(-1)!
    },
    answer: (text) => {
      const file = at(`answer.${++answers}`)
      writeFileSync(`${file}.new`, `${text}\n`)
      renameSync(`${file}.new`, file)
    },
    end: async () => {
      const [stdout, stderr] = await output
      await child.exited
      return { entered: stdout.includes('SHELL-OK'), stdout, stderr }
    },
  }
}

export const messageIn = (shown: string): string =>
  /-----BEGIN PGP MESSAGE-----[\s\S]*?-----END PGP MESSAGE-----/.exec(shown)?.[0] ?? ''

/** Makes key pairs inside the lab, as the people have them at home. */
export async function makeKeys(lab: Lab, pairs: Readonly<Record<string, string>>): Promise<void> {
  await lab.need('install -d -m 0700 /root/person')
  for (const [name, algorithm] of Object.entries(pairs)) {
    await lab.need(`${gpg} --quick-gen-key '${name} <${name}@example.org>' ${algorithm} default never`)
    if (algorithm.startsWith('rsa'))
      await lab.need(
        `f=$(${gpg} --list-keys --with-colons ${name}@example.org | awk -F: '/^fpr/ { print $10; exit }')
         ${gpg} --quick-add-key $f ${algorithm} encr never`,
      )
    await lab.need(`${gpg} --export --armor ${name}@example.org > /root/person/${name}.asc`)
  }
}

const gpg = "gpg --homedir /root/person --quiet --batch --pinentry-mode loopback --passphrase ''"

/** What gpg says is in the message; the error when it cannot. */
export async function decrypt(lab: Lab, message: string): Promise<string> {
  const ran = await lab.run(`${gpg} --decrypt`, { stdin: message })
  // With several secret keys it complains about those that do not fit.
  return ran.stdout.startsWith('ob ') ? ran.stdout : `gpg: ${ran.stderr}`
}

export const codeIn = (plaintext: string): string => /^code (.+)$/m.exec(plaintext)?.[1] ?? 'no code'

/** A person on a terminal: runs the program as this user, decrypts what it shows with gpg, and types the code. */
export async function onTerminal(
  lab: Lab,
  argv: readonly string[],
  { user = 'root', answer = 'CODE', columns = 120 }: { user?: string; answer?: string; columns?: number } = {},
): Promise<{ readonly code: number; readonly output: string }> {
  const ran = await lab.run(['python3', '-c', terminal, user, answer, String(columns), ...argv])
  if (ran.stderr !== '') throw new Error(ran.stderr)
  return { code: ran.code, output: ran.stdout.replaceAll('\r\n', '\n') }
}

const terminal = `import fcntl, os, pty, pwd, re, struct, subprocess, sys, termios, time
user, answer, columns, argv = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
pid, end = pty.fork()
if pid == 0:
  who = pwd.getpwnam(user)
  if who.pw_uid:
    os.initgroups(user, who.pw_gid); os.setgid(who.pw_gid); os.setuid(who.pw_uid)
  os.execvp(argv[0], argv)
fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack('HHHH', 50, columns, 0, 0))
def code(shown):
  block = re.findall(r'-----BEGIN PGP MESSAGE-----.*?-----END PGP MESSAGE-----', shown.replace('\\r', ''), re.S)
  if not block: return 'no message'
  ran = subprocess.run(['gpg', '--homedir', '/root/person', '--quiet', '--batch', '--decrypt'],
    input=block[-1].encode(), capture_output=True)
  found = re.search(r'^code (.+)$', ran.stdout.decode(), re.M)
  return found.group(1) if found else 'not for me'
os.set_blocking(end, False)
said, seen, status, until, typed = b'', 0, None, time.time() + 20, 0
while status is None and time.time() < until:
  try: said += os.read(end, 65536)
  except BlockingIOError: time.sleep(0.01)
  except OSError:
    gone, status = os.waitpid(pid, os.WNOHANG)
    status = os.waitstatus_to_exitcode(status) if gone else None
    time.sleep(0.01)
  if re.search(rb'(?i)(password|token|login)[^\\n]*: $', said[seen:]):
    shown = said[seen:].decode(errors='replace')
    seen = len(said)
    typed += 1
    text = code(shown) if answer == 'CODE' else answer
    os.write(end, text.encode() + b'\\n' if typed < 2 else b'\\x03')
if status is None: os.kill(pid, 9)
sys.stdout.buffer.write(said)
sys.exit(1 if status is None else abs(status))`
