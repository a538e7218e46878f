// Whether a name is an account of this host itself: such a name is never a portal user's, so no
// certificate is made for it and no session becomes it.
import { decodeBytewise } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import { readIds } from './passwd-format.ts'
import { openRegistry } from './registry.ts'

/** In /etc/passwd, and not because the registry put it there (create_user_target = passwd). */
export function isLocalName(world: Parts<'now' | 'files'>, name: LoginName): boolean {
  const bytes = world.files.read('/etc/passwd', 64 << 20)
  const local = new Map(readIds(decodeBytewise(bytes ?? new Uint8Array())))
  return local.has(name) && openRegistry(world).whole().users.get(name)?.uid !== local.get(name)
}
