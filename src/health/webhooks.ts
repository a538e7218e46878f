// Whether events reach the webhook, for ob doctor.

import { readSpool, signsEvents } from '../audit/webhooks.ts'
import type { Finding } from '../base/finding.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'

/** A timer that works delivers within minutes. Seconds. */
const tooLong = 3600

export async function judgeWebhooks(
  world: Parts<'now' | 'random' | 'files' | 'keyring'>,
  config: Config,
): Promise<readonly Finding[]> {
  if (!config.notify_enabled) return []
  const { waiting, dead, dropped } = readSpool(world)
  const lost = dead.length + dropped
  const findings: Finding[] = []
  if (lost > 0)
    findings.push({
      verdict: 'bad',
      message: `${lost} events never reached the webhook${reason(dead.at(-1)?.problem)}`,
      remedy: 'ob notify test; when it works: ob notify clear',
    })
  const failing = waiting.findLast(({ attempts }) => attempts > 0)
  const oldest = waiting[0]
  if (failing)
    findings.push({
      verdict: 'bad',
      message: `${waiting.length} events wait for the webhook${reason(failing.problem)}`,
      remedy: 'ob notify test',
    })
  else if (oldest && world.now() - oldest.queuedAt > tooLong)
    findings.push({
      verdict: 'bad',
      message: `${waiting.length} events wait for the webhook, and nothing delivers them`,
      remedy: 'systemctl enable --now ob-heartbeat.timer',
    })
  if (findings.length > 0) return findings
  const unsigned = (await signsEvents(world, config)) ? '' : '; they are not signed, because notify_secret is not set'
  return [{ verdict: unsigned === '' ? 'good' : 'note', message: `events reach the webhook${unsigned}` }]
}

const reason = (problem: string | undefined): string => (problem === undefined ? '' : `: ${problem}`)
