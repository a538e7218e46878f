// Which program turns a session of a functional account into the person's, and what it sees. Pure.
import type { LoginName } from '../base/names.ts'

export type Account = {
  readonly name: LoginName
  readonly uid: number
  readonly home: string
  readonly shell: string
}
export type SwitchFacts = {
  readonly account: Account
  /** What the person asked sshd to run; undefined for a shell. */
  readonly command: string | undefined
  /** The terminal of the session, if it has one. */
  readonly terminal: string | undefined
  readonly sshConnection: string
  /** TERM, LANG and LC_*, as sshd took them from the client. */
  readonly language: Readonly<Record<string, string>>
}
export type Switch = {
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly directory: string
}

/** The fields of a passwd(5) line; undefined where it is no account that a person may have. */
export function parseAccount(line: string, name: LoginName): Account | undefined {
  const [user, , uid = '', , , home = '', shell = '', ...more] = line.split(':')
  if (user !== name || more.length > 0 || !/^[1-9]\d{3,9}$/.test(uid)) return undefined
  if (!home.startsWith('/') || (shell !== '' && !shell.startsWith('/'))) return undefined
  // Below UID_MIN are the system's own accounts (login.defs(5)); 65534 is nobody.
  if (Number(uid) === 65_534 || Number(uid) >= 2 ** 32 - 1) return undefined
  return { name, uid: Number(uid), home, shell: shell === '' ? '/bin/sh' : shell }
}

const plainPath = '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games'

/** sshd says where the client is; a person reads it in these variables after any login (ssh(1)). */
function sshVariables(facts: SwitchFacts): Readonly<Record<string, string>> {
  const [from = '', port = '', , ours = ''] = facts.sshConnection.split(' ')
  if (ours === '') return {}
  return {
    SSH_CONNECTION: facts.sshConnection,
    SSH_CLIENT: `${from} ${port} ${ours}`,
    ...(facts.terminal === undefined ? {} : { SSH_TTY: facts.terminal }),
  }
}

/**
 * A shell is a login shell, which runuser begins with an environment of its own and the variables that are named to it.
 * A command runs as sshd would have run it: the person's shell with -c, in the home, without a login shell's files.
 */
export function switchTo(facts: SwitchFacts): Switch {
  const { account, command, language } = facts
  const { name, home, shell } = account
  const variables = { ...language, ...sshVariables(facts) }
  if (command === undefined) {
    const kept = Object.keys(variables)
    const whitelist = kept.length === 0 ? [] : ['-w', kept.join(',')]
    return { argv: ['/usr/sbin/runuser', ...whitelist, '-l', name], env: variables, directory: '/' }
  }
  const identity = { USER: name, LOGNAME: name, HOME: home, SHELL: shell, PATH: plainPath, MAIL: `/var/mail/${name}` }
  return {
    argv: ['/usr/sbin/runuser', '-u', name, '--', shell, '-c', command],
    env: { ...variables, ...identity },
    directory: home,
  }
}
