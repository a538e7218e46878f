// Who could come in before a set-up and cannot afterwards, and what would spoil it: said before anybody agrees.

export type Local = {
  readonly name: string
  /** Keys in the user's own ~/.ssh/authorized_keys. */
  readonly hasKeys: boolean
  readonly hasPassword: boolean
}

export type PreflightFacts = {
  readonly mode: string
  readonly people: readonly Local[]
  /** The text of root's own authorized_keys. */
  readonly rootKeys: string
  readonly hasNscd: boolean
  /** Modules of NSS that were found on this host. */
  readonly hasExtrausers: boolean
}

/** Modes in which sshd takes a Unix password (packaging/ssh/). */
const passwordModes = ['b', 'd']

export function warningsOf({ mode, people, rootKeys, hasNscd, hasExtrausers }: PreflightFacts): readonly string[] {
  const takesPasswords = passwordModes.includes(mode)
  const shutOut = people.filter(({ hasKeys, hasPassword }) => (hasPassword ? !takesPasswords : hasKeys))
  return [
    ...(shutOut.length === 0
      ? []
      : [
          `no longer in over ssh by a key or password of their own: ${shutOut.map(({ name }) => name).join(', ')}; ` +
            'each needs an account at the portal, or root’s key',
        ]),
    ...(isWayIn(rootKeys)
      ? []
      : [
          'root has no key that opens a shell, so nobody repairs this host over ssh when the portal is gone; ' +
            'put one into /root/.ssh/authorized_keys',
        ]),
    ...(hasNscd ? ['nscd spoils first logins: apt-get remove nscd'] : []),
    ...(hasExtrausers ? [] : ['no account of a portal user would be found: apt-get install libnss-extrausers']),
  ]
}

/** Images of clouds leave root a key with a forced command that only says who else to log in as. */
const isWayIn = (text: string): boolean =>
  text.split('\n').some((line) => /\S/.test(line) && !/^\s*#/.test(line) && !/^[^ ]*\bcommand="/i.test(line.trim()))

type Sources = {
  readonly passwd: string
  readonly shadow: string
  readonly hasKeys: (home: string) => boolean
}

/** People of /etc/passwd who could log in: uids of people, and a shell that is one. */
export function localPeople({ passwd, shadow, hasKeys }: Sources): readonly Local[] {
  const hashes = new Map(shadow.split('\n').map((line) => [line.split(':')[0], line.split(':')[1] ?? '']))
  return passwd.split('\n').flatMap((line) => {
    const [name = '', , uid = '', , , home = '', shell = ''] = line.split(':')
    const isPerson = Number(uid) >= 1000 && Number(uid) < 60_000
    if (!isPerson || /\/(?:nologin|false)$/.test(shell)) return []
    const local = { name, hasKeys: home.startsWith('/') && hasKeys(home), hasPassword: isHash(hashes.get(name)) }
    return local.hasKeys || local.hasPassword ? [local] : []
  })
}

/** Not locked, and not empty: sshd takes no empty password (PermitEmptyPasswords). */
const isHash = (hash: string | undefined): boolean => hash !== undefined && /^\$\w+\$/.test(hash)
