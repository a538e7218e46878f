// The questions of offline/policy.ts and their answers.

import type { Answers } from '../base/decision.ts'
import { Fault } from '../base/fault.ts'
import type { LoginName } from '../base/names.ts'
import { askedService, isKept, isSudo } from '../base/pam-service.ts'
import type { Config } from '../config/load.ts'
import type { OfflineFacts, OfflinePolicy } from '../offline/policy.ts'
import type { Ports } from './ports.ts'

/** `sudo -i` is as risky as sudo, whichever of the two the list names. */
export function offlinePolicy(config: Config, service: string): OfflinePolicy {
  const { high_risk_services: listed } = config
  const isRisky = listed.includes(service) || (isSudo(service) && listed.some(isSudo))
  return {
    cacheEnabled: config.auth_cache_enabled && isKept(askedService(service, config.service_map)),
    highRiskSeconds: isRisky ? config.cache_ttl_high_risk : undefined,
  }
}

type About = OfflineFacts & { readonly user: LoginName | undefined }

export const offlineAnswers = (ports: Ports): Answers<About, 'forceOnline' | 'cached'> => ({
  forceOnline: async ({ user }) => (await ports.offline()).forceOnline(somebody(user)),
  cached: async ({ user }) => (await ports.offline()).lookup(somebody(user)),
})

const somebody = (user: LoginName | undefined): LoginName => {
  if (!user) throw new Fault('the cache was asked about nobody')
  return user
}
