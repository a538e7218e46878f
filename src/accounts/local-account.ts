// What local_accounts says about a name. Every phase asks; most users are not in /etc/passwd and cost one look at it.
import { decodeBytewise } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { LocalAccount } from './local-policy.ts'

export async function localAccount(
  world: Parts<'files'>,
  { local_accounts: accounts }: Pick<Config, 'local_accounts'>,
  name: LoginName,
): Promise<LocalAccount> {
  const text = textOf(world, '/etc/passwd')
  if (!text.includes(`${name}:`)) return 'none'
  const { readIds } = await import('./passwd-format.ts')
  // The C library takes the first line of a name.
  const uid = readIds(text).get(name)
  if (uid === undefined) return 'none'
  const { openRegistry } = await import('./registry.ts')
  // create_user_target = passwd
  if (openRegistry(world).view((view) => view.user(name)?.uid) === uid) return 'none'
  const { judgeLocal, parseUidMin } = await import('./local-policy.ts')
  return judgeLocal(name, uid, { accounts, uidMin: parseUidMin(textOf(world, '/etc/login.defs')) })
}

const textOf = (world: Parts<'files'>, path: string): string =>
  decodeBytewise(world.files.read(path, 64 << 20) ?? new Uint8Array())
