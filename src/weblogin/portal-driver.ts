// Driver for `ob portal`: who this host is, and the two calls.
import type { Secret } from '../base/secret.ts'
import type { HttpAnswer } from '../portal-client/http.ts'
import { formatStart, parseCheck, parseStart, type Reply } from './portal-wire-format.ts'
import type { NoService, WebService } from './service.ts'

/** What this host proves itself with. */
export type HostCredential = {
  readonly read: () => Promise<Secret>
  /** Another one after a 401, or why there is none; absent where there is only one. */
  readonly renew?: (refused: Secret) => Promise<Secret | NoService>
}

export type Post = (path: string, authorization: string, body: object) => Promise<HttpAnswer>

type Parts = {
  readonly post: Post
  readonly credential: HostCredential
  readonly now: () => number
  readonly host: string
  readonly group: string
}

export function openPortalDriver({ post, credential, now, host, group }: Parts): WebService {
  const call = async (path: string, body: object): Promise<Reply | NoService> => {
    const secret = await credential.read()
    const first = believe(await post(path, `Bearer ${secret.expose()}`, body))
    if ('kind' in first || first.status !== 401 || !credential.renew) return first
    const renewed = await credential.renew(secret)
    return 'kind' in renewed ? renewed : believe(await post(path, `Bearer ${renewed.expose()}`, body))
  }
  return {
    keepsApprovals: true,
    countsTries: true,
    start: async (request) => {
      const reply = await call('/weblogin/start', formatStart(request, { host, group }))
      return 'kind' in reply ? reply : parseStart(reply, { ...request, now: now() })
    },
    check: async (session, code) => {
      const reply = await call('/weblogin/check', { session, code })
      return 'kind' in reply ? reply : parseCheck(reply)
    },
  }
}

/** The parts of an answer that the parsers look at. */
export function believe(answer: HttpAnswer): Reply | NoService {
  switch (answer.kind) {
    case 'unreachable':
    case 'garbled':
      return { kind: answer.kind, detail: answer.detail }
    case 'answer': {
      const type = answer.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
      return { status: answer.status, type, text: answer.text }
    }
  }
}
