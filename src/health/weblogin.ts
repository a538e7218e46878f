// Whether the service of the web login answers this host, for ob doctor.
import { bad, type Finding, good, note } from '../base/finding.ts'
import type { Parts } from '../base/world.ts'
import { type Config, hasPortal } from '../config/load.ts'

type WebloginWorld = Parts<
  'now' | 'monotonic' | 'timeout' | 'fetch' | 'random' | 'hostname' | 'files' | 'keyring' | 'syslog'
>

/** No service gave this session to anybody, so the answer can only be that it is over. */
const noSession = 'ob-doctor-no-login-000'

export async function judgeWeblogin(world: WebloginWorld, config: Config): Promise<readonly Finding[]> {
  if (config.weblogin === 'off') return []
  return [...judgeLists(config), ...(config.weblogin === 'llng' ? [] : await judgeService(world, config))]
}

function judgeLists(config: Config): readonly Finding[] {
  const findings: Finding[] = []
  if (!hasPortal(config) && config.weblogin_allow.length === 0)
    findings.push({
      verdict: 'shut',
      message: 'there is no portal, and weblogin_allow names nobody',
      lets: 'everybody but root is refused',
      remedy: 'name users or groups in weblogin_allow',
    })
  if (config.weblogin === 'pam-weblogin' && config.weblogin_without_key)
    findings.push(note('weblogin_without_key: four digits are all that somebody has to guess'))
  return findings
}

async function judgeService(world: WebloginWorld, config: Config): Promise<readonly Finding[]> {
  const { openWebService } = await import('../weblogin/open.ts')
  const startedAt = world.monotonic()
  const answer = await (await openWebService(world, config)).check(noSession, 'BCD-FGH-JKL', 0)
  const took = Math.round(world.monotonic() - startedAt)
  switch (answer.kind) {
    case 'expired':
      return [good(`${config.weblogin_url ?? config.portal_url} answers this host in ${took} ms`)]
    case 'confirmed':
      return [
        {
          verdict: 'open',
          message: 'the service of the web login confirms a login that nobody started',
          lets: 'everybody gets in whose name the service says',
          remedy: 'find out what answers at weblogin_url',
        },
      ]
    case 'refuses-host':
      return [bad(answer.detail, 'set weblogin_token to what the service gave this host, or run: ob enroll --force')]
    case 'unreachable':
      return [bad(answer.detail, 'check the network and weblogin_url')]
    case 'garbled':
      return [bad(answer.detail, 'check weblogin_url, and which service weblogin names')]
    case 'wrong':
    case 'pending':
    case 'refused':
      return [bad('the service of the web login answers about a login that nobody started', 'check weblogin_url')]
  }
}
