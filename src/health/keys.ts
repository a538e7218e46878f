// Keys of service accounts, the revocation list, and whether the account that sshd runs `ob keys` as can read them.

import { bad, type Finding, good } from '../base/finding.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { type Config, problemText } from '../config/load.ts'
import type { Ports } from '../login/ports.ts'
import { isStale, readKrl } from '../revocation/krl.ts'

export async function judgeServiceAccounts(
  config: Config,
  { serviceAccounts }: Pick<Ports, 'serviceAccounts'>,
): Promise<readonly Finding[]> {
  const { accounts, problems } = await serviceAccounts.read()
  const path = config.service_accounts_file
  if (problems.length > 0)
    return problems.map((problem) =>
      bad(problemText(path, problem), 'correct it; ob service-account check looks again'),
    )
  return accounts.size > 0 ? [good(`${accounts.size} service accounts`)] : []
}

export function judgeRevocations(
  world: Parts<'now' | 'timeout' | 'files' | 'spawn' | 'stdout' | 'stderr' | 'syslog'>,
  config: Config,
): readonly Finding[] {
  const state = readKrl(world)
  const remedy = 'ob krl update, and systemctl enable --now ob-krl.timer'
  if (state.kind === 'absent') return config.krl_max_age > 0 ? [bad(`${paths.revokedKeys} does not exist`, remedy)] : []
  if (state.kind === 'damaged')
    return [bad(`${paths.revokedKeys}: ${state.problem}; it revokes nothing, or sshd refuses every key for it`, remedy)]
  const age = `${paths.revokedKeys} was fetched ${Math.floor(state.ageSeconds / 60)} min ago`
  if (isStale(state, config.krl_max_age)) return [bad(`${age}; certificates are refused (krl_max_age)`, remedy)]
  return [state.ageSeconds > 86_400 ? bad(age, remedy) : good(age)]
}
