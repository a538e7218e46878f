// What ob serve runs for ob proxy: the portal is asked to vouch for a user who goes on to another host. The question is
// read from standard input, the reply is JSON on standard output, and every decision is one audit line.
import { correlationId } from '../../src/audit/event-format.ts'
import { openAudit } from '../../src/audit/log.ts'
import { decodeUtf8, hex } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { auditText, personText } from '../../src/base/reason.ts'
import type { World } from '../../src/base/world.ts'
import { type Vouched, vouch } from '../../src/bastion/vouch.ts'
import { parseQuestion, type VouchCall } from '../../src/bastion/vouch-format.ts'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { openPorts } from '../../src/login/ports.ts'
import { ended, type Mode, usage } from '../run/mode.ts'

export const mode: Mode = {
  run: async ([name = '', ...more], world) => {
    const user = parseLoginName(name)
    if (!user || more.length > 0) return usage('vouch is what ob serve runs for ob proxy: ob vouch USER')
    if (world.userId !== 0) throw new Fault('vouch must be started by root')
    const question = parseQuestion(decodeUtf8(world.stdin(4096)) ?? '')
    if (!question) return usage('the question on standard input is none')
    const config = loadConfig(world.files)
    const startedAt = world.monotonic()
    const send = openPorts(world, config).portal.send
    const vouched = await vouch({ world, config, send }, { ...question, user })
    const latencyMs = Math.round(world.monotonic() - startedAt)
    report(world, config, { user, question, vouched, latencyMs })
    const { kind, outcome } = vouched
    const text = kind === 'refused' ? personText(outcome.reason) : vouched.text
    return ended(outcome, `${JSON.stringify({ user, kind, text })}\n`)
  },
}

type Decided = {
  readonly user: string
  readonly question: VouchCall
  readonly vouched: Vouched
  readonly latencyMs: number
}

function report(world: World, config: Config, { user, question, vouched, latencyMs }: Decided): void {
  const { outcome, detail } = vouched
  const refusal = outcome.kind === 'denied' ? 'AUTHZ_DENIED' : 'SERVER_ERROR'
  openAudit(world, config).write({
    timestamp: world.now(),
    event_type: outcome.kind === 'allowed' ? 'AUTHZ_SUCCESS' : refusal,
    correlation_id: correlationId(hex(world.random(16))),
    host: world.hostname(),
    user,
    service: 'hop',
    result_code: outcome.kind === 'allowed' ? 0 : 4,
    latency_ms: latencyMs,
    reason: outcome.reason,
    details: [auditText(outcome.reason), detail, `key ${question.key.fingerprint}`].join('; '),
    more: { outcome: outcome.kind, target: question.host },
  })
}
