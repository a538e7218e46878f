// Which login a record belongs to. Every try of one ssh connection has the same place, and so has every try of one
// sudo.
import { hex, sha256 } from '../base/bytes.ts'
import { isSsh, isSudo } from '../base/pam-service.ts'
import type { Parts } from '../base/world.ts'

/** A record of another user or service is no record. */
export type Place = { readonly id: string; readonly user: string; readonly service: string }

type About = { readonly user: string | undefined; readonly service: string }

export function placeOf(world: Parts<'connectionSeed' | 'callerSeed'>, { user, service }: About): Place {
  const seed = isSsh(service) ? world.connectionSeed() : world.callerSeed()
  const id = hex(sha256(`weblogin ${seed}`)).slice(0, 32)
  return { id, user: user ?? '', service: isSudo(service) ? 'sudo' : service }
}
