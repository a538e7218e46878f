// The questions of decide/offline.ts and their answers.
import type { Config } from '../config/load.ts'
import type { OfflineFacts, OfflinePolicy } from '../decide/offline.ts'
import type { Answers } from '../decide/step.ts'
import type { LoginName } from '../names.ts'

export const offlinePolicy = (_config: Config, _service: string): OfflinePolicy => ({
  cacheEnabled: false,
  highRiskSeconds: undefined,
})

type About = OfflineFacts & { readonly user: LoginName | undefined }

export const offlineAnswers = (): Answers<About, 'forceOnline' | 'cached'> => ({
  forceOnline: () => 'free',
  cached: () => ({ kind: 'miss', detail: '' }),
})
