// The file of service accounts, which only root may read or write.
import { decodeBytewise, decodeUtf8 } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { WantedEntry } from './policy.ts'
import type { ServiceAccount, ServiceAccounts } from './service-accounts-format.ts'
import type { ServiceAccountState } from './service-accounts-policy.ts'

export type ServiceAccountsFile = {
  /** The entry of this name in the file; undefined when there is none. */
  readonly standing: (user: LoginName) => Promise<ServiceAccountState | undefined>
  readonly read: () => Promise<ServiceAccounts>
  /** Writes what the edit makes of the text, unless it is the same; two editors wait for each other. */
  readonly change: (edit: (text: string) => string) => Promise<void>
}

export const nopasswdGroup = 'open-bastion-nopasswd'

type ServiceConfig = Pick<Config, 'service_accounts_file' | 'approved_shells' | 'approved_home_prefixes'>

export function openServiceAccounts(world: Parts<'files'>, config: ServiceConfig): ServiceAccountsFile {
  const path = config.service_accounts_file
  const textOf = (): string => {
    if (!world.files.stat(path)) return ''
    const bytes = world.files.readTrusted(path, { limit: 1 << 20, secret: true })
    return bytes ? (decodeUtf8(bytes) ?? decodeBytewise(bytes)) : ''
  }
  const parse = async (text: string): Promise<ServiceAccounts> => {
    const { parseServiceAccounts } = await import('./service-accounts-format.ts')
    return parseServiceAccounts(text, {
      approvedShells: config.approved_shells,
      homePrefixes: config.approved_home_prefixes,
    })
  }
  return {
    read: async () => parse(textOf()),
    standing: async (user) => {
      const text = textOf()
      // Most logins are of people, and need neither understand the whole file nor load what does.
      if (!text.includes(`[${user}]`)) return undefined
      const { accounts, broken } = await parse(text)
      const account = accounts.get(user)
      if (account) return { kind: 'sound', account }
      const detail = broken.get(user)
      if (detail !== undefined) return { kind: 'broken', detail: `${path} ${detail}` }
      // Of a header with something behind it the name is known all the same.
      const isHeader = text.split('\n').some((line) => line.trimStart().startsWith(`[${user}]`))
      return isHeader ? { kind: 'broken', detail: `${path}: the header of ${user} is not [${user}]` } : undefined
    },
    change: (edit) => {
      world.files.makeDirectory(paths.state, 0o711)
      return world.files.withLock(`${paths.state}/service-accounts.lock`, () => {
        const text = textOf()
        const next = edit(text)
        if (next !== text) world.files.writeAtomic(path, next, { mode: 0o600 })
      })
    },
  }
}

/** The account as an entry of the registry. */
export const entryOf = (account: ServiceAccount): WantedEntry => {
  const { gecos, home, shell, uid, gid, sudoAllowed, sudoNopasswd } = account
  return {
    ...(gecos === undefined ? {} : { gecos }),
    ...(home === undefined ? {} : { home }),
    ...(shell === undefined ? {} : { shell }),
    groups: sudoAllowed && sudoNopasswd ? [nopasswdGroup] : [],
    sudo: sudoAllowed,
    revive: true,
    service: { uid, gid },
  }
}
