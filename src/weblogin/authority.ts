// Takes the place of the portal on a host that has none: answers the account phase from the record of who was confirmed
// on this connection, and from nothing else.
import { readIds } from '../accounts/passwd-format.ts'
import { openRegistry } from '../accounts/registry.ts'
import { decodeBytewise } from '../base/bytes.ts'
import type { LoginName } from '../base/names.ts'
import { isSudo } from '../base/pam-service.ts'
import type { Parts } from '../base/world.ts'
import { type Config, noPortal } from '../config/load.ts'
import type { Portal } from '../portal-client/endpoints.ts'
import { decideAuthority } from './authority-policy.ts'
import { openConfirmedLogins } from './confirmed.ts'
import { placeOf } from './place.ts'

type AuthorityWorld = Parts<'env' | 'now' | 'files' | 'connectionSeed' | 'callerSeed'>

export function openWebAuthority(world: AuthorityWorld, config: Config): Portal {
  const confirmed = openConfirmedLogins(world)
  return {
    authorize: async ({ user }) => {
      const service = world.env['PAM_SERVICE'] ?? ''
      const place = placeOf(world, { user, service })
      const verdict = decideAuthority({
        user,
        isSudo: isSudo(service),
        confirmed: confirmed.read(place),
        localUid: localUid(world, user),
        allow: config.weblogin_allow,
        sudo: config.weblogin_sudo,
      })
      // Every sudo has a web login of its own.
      if (isSudo(service)) confirmed.forget(place)
      return verdict.kind === 'granted' ? { ...verdict, user, attributes: {} } : verdict
    },
    verify: refuse,
    userinfo: refuse,
    heartbeat: refuse,
    send: refuse,
    isHostRefused: () => false,
  }
}

const refuse = async (): Promise<never> => {
  throw noPortal()
}

/** Nothing of a connection whose session has begun counts again. */
export const forgetConfirmed = (
  world: AuthorityWorld,
  login: { readonly user: LoginName | undefined; readonly service: string },
): void => openConfirmedLogins(world).forget(placeOf(world, login))

/** The uid of this name in /etc/passwd, unless the account is one of ours. */
function localUid(world: Parts<'files'>, user: LoginName): number | undefined {
  const text = world.files.readTrusted('/etc/passwd', { limit: 1 << 26, secret: false })
  const uid = text && [...readIds(decodeBytewise(text))].find(([name]) => name === user)?.[1]
  if (uid === undefined) return undefined
  const ours = openRegistry(world).view((registry) => registry.user(user))
  return ours?.state === 'active' && ours.uid === uid ? undefined : uid
}
