// That a challenge was answered on a connection, for the account phase of the same login: only root can write it.
import { decodeUtf8 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'

type Needs = Parts<'files' | 'now'>

export type Login = { readonly connection: string; readonly user: LoginName; readonly service: string }

/** The account phase follows at once. Seconds. */
const believedSeconds = 180

const fileOf = (connection: string): string => `${paths.gpgPassed}/${connection}`
const textOf = ({ user, service }: Login): string => `${user} ${service}\n`

export function markPassed(world: Needs, login: Login): void {
  world.files.makeDirectory(paths.gpgPassed, 0o700)
  sweep(world, paths.gpgPassed, olderThan(world, believedSeconds))
  world.files.writeAtomic(fileOf(login.connection), textOf(login), { mode: 0o600 })
}

/** Once: what was found is gone. */
export function takePassed(world: Needs, login: Login): boolean {
  const path = fileOf(login.connection)
  const facts = world.files.stat(path)
  const bytes = world.files.readTrusted(path, { limit: 256, secret: true })
  if (!facts || !bytes) return false
  world.files.remove(path)
  return Math.abs(world.now() - facts.modifiedAt) <= believedSeconds && decodeUtf8(bytes) === textOf(login)
}
