// What the portal gives with a login on a bastion, and wants back for a certificate of a hop: one for a user and this
// host, in memory (/run) and root's alone.
import { decodeUtf8 } from '../base/bytes.ts'
import { parseJsonObject, textMember, wholeMember } from '../base/json.ts'
import type { LoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'

export type Voucher = { readonly text: Secret; readonly seconds: number }

const fileOf = (user: LoginName): string => `${paths.vouchers}/${user}`

export function keepVoucher(world: Parts<'files' | 'now'>, user: LoginName, { text, seconds }: Voucher): void {
  world.files.makeDirectory(paths.run, 0o755)
  world.files.makeDirectory(paths.vouchers, 0o700)
  const record = { voucher: text.expose(), expiresAt: Math.floor(world.now() + seconds) }
  world.files.writeAtomic(fileOf(user), JSON.stringify(record), { mode: 0o600 })
}

/** Undefined when there is none, or it has expired. */
export function readVoucher(world: Parts<'files' | 'now'>, user: LoginName): Secret | undefined {
  const bytes = world.files.readTrusted(fileOf(user), { limit: 4096, secret: true })
  const record = bytes && parseJsonObject(decodeUtf8(bytes) ?? '')
  if (!record) return undefined
  const [text, expiresAt] = [textMember(record, 'voucher'), wholeMember(record, 'expiresAt')]
  return text === undefined || expiresAt === undefined || expiresAt <= world.now() ? undefined : new Secret(text)
}
