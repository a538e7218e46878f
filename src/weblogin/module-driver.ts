// Driver for the services of the module pam-weblogin, such as SRAM.
import type { Secret } from '../base/secret.ts'
import { formatModuleStart, parseModuleCheck, parseModuleStart } from './module-wire-format.ts'
import { believe, type Post } from './portal-driver.ts'
import type { WebService } from './service.ts'

type Parts = {
  readonly post: Post
  readonly token: Secret
  readonly attribute: string
  /** Which service it was that confirmed somebody. */
  readonly issuer: string
}

export function openModuleDriver({ post, token, attribute, issuer }: Parts): WebService {
  // One word is a bearer token, as the module has it.
  const authorization = (): string => (/\s/.test(token.expose()) ? token.expose() : `Bearer ${token.expose()}`)
  return {
    keepsApprovals: false,
    countsTries: false,
    start: async (request) => {
      const reply = believe(await post('/start', authorization(), formatModuleStart(request, attribute)))
      return 'kind' in reply ? reply : parseModuleStart(reply)
    },
    check: async (session, code, triesLeft) => {
      const reply = believe(await post('/check-pin', authorization(), { session_id: session, pin: code }))
      return 'kind' in reply ? reply : parseModuleCheck(reply, { issuer, triesLeft })
    },
  }
}
