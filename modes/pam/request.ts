// PAM's items about a login, checked.
import { correlationId } from '../../src/audit/event-format.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { canonicalService, isSudo } from '../../src/base/pam-service.ts'
import type { World } from '../../src/base/world.ts'
import type { PamRequest } from '../../src/login/answers.ts'

export function requestOf(world: World, phase: string): PamRequest {
  const service = canonicalService(world.env['PAM_SERVICE'] ?? '')
  // With targetpw PAM_USER is root's: without PAM_RUSER the caller is unknown.
  const name = world.env[isSudo(service) ? 'PAM_RUSER' : 'PAM_USER']
  return {
    service,
    user: parseLoginName(name ?? ''),
    rhost: sourceOf(world, phase),
    connection: correlationId(world.connectionSeed()),
  }
}

// With UseDNS PAM_RHOST is a name, and the owner of the address chooses it: failures would be counted under a new name
// each time. Before the auth phase only sshd can have written SSH_CONNECTION.
function sourceOf({ env }: World, phase: string): string | undefined {
  const address = env['SSH_CONNECTION']?.split(' ')[0] ?? ''
  const isAddress = /^(?:[0-9]+(?:\.[0-9]+){3}|[0-9a-f]*:[0-9a-f:.]+(?:%\w+)?)$/i.test(address)
  return (env['PAM_RHOST'] && phase === 'auth' && isAddress ? address : env['PAM_RHOST']) || undefined
}
