// The units that have to run for what is configured: ob serve, and the timers of ob monitor and of the revocation list.

import { bad, type Finding, good, note } from '../base/finding.ts'
import { unlockService } from '../base/pam-service.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import type { TimerState } from '../portal-client/enrollment-policy.ts'
import { timerState } from '../portal-client/timer.ts'
import type { SshdAnswer } from './sshd.ts'
import { settingOf } from './sshd-policy.ts'

type Here = Parts<'files' | 'spawn'>

export async function judgeUnits(world: Here, config: Config, sshd: SshdAnswer): Promise<readonly Finding[]> {
  // sd_booted(3)
  if (!world.files.stat('/run/systemd/system')) return []
  const findings = [...(await judgeServe(world, config)), ...(await judgeTimers(world, config, sshd))]
  const found = findings.length > 0 ? findings : [good('the units that this configuration needs run')]
  return [...found, ...(await judgeDescriptors(world))]
}

/** From here on closing them takes longer than the start of a program. */
const manyDescriptors = 16_384

/** Before it starts a program, pam_exec closes every number up to the hard limit (Linux-PAM 1.5, 65 535 at most). */
async function judgeDescriptors(world: Here): Promise<readonly Finding[]> {
  for (const unit of ['ssh.service', 'sshd.service']) {
    const shown = await properties(world, unit, ['LoadState', 'LimitNOFILE'])
    const limit = Number(shown.get('LimitNOFILE')?.replace('infinity', 'Infinity'))
    if (shown.get('LoadState') !== 'loaded' || !(limit > manyDescriptors)) continue
    const remedy = `systemctl edit ${unit}, and there [Service], LimitNOFILE=1024:4096`
    return [note(`${unit} lets a process open ${limit} files, and pam_exec closes each before each phase: ${remedy}`)]
  }
  return []
}

const start = 'systemctl enable --now ob-serve; journalctl -u ob-serve says why it ended'

async function judgeServe(world: Here, config: Config): Promise<readonly Finding[]> {
  const shown = await properties(world, 'ob-serve.service', [
    'ActiveState',
    'UnitFileState',
    'ReadWritePaths',
    'Result',
  ])
  const isRunning = shown.get('ActiveState') === 'active'
  if (isRunning) return judgeWritablePaths(config, shown.get('ReadWritePaths') ?? '')
  const state =
    shown.get('Result') === 'success' ? 'does not run' : `does not run (${shown.get('Result') ?? 'unknown'})`
  if (config.create_user && config.create_user_target === 'userdb')
    return [
      {
        verdict: 'shut',
        message: `ob serve ${state}, and create_user_target = userdb`,
        lets: 'no portal user has an account here, and sshd refuses them all',
        remedy: start,
      },
    ]
  if (config.service_map.has(unlockService))
    return [{ ...bad(`ob serve ${state}`, start), lets: 'screen lockers refuse tokens' }]
  const isMeant = shown.get('UnitFileState') === 'enabled' || shown.get('ActiveState') === 'failed'
  if (!config.serve_userdb || !isMeant) return []
  return [{ ...bad(`ob serve ${state}`, start), lets: 'the first login of a user who was never here is refused' }]
}

function judgeWritablePaths(config: Config, writable: string): readonly Finding[] {
  if (!config.create_user || config.create_user_target !== 'passwd' || /(^|\s)-?\/etc\/?(\s|$)/.test(writable))
    return []
  return [
    {
      ...bad(
        'ob serve may not write to /etc, and create_user_target = passwd',
        'systemctl edit ob-serve, and write there: [Service], ReadWritePaths=/etc',
      ),
      lets: 'what the portal changes about a user comes here with the next login only',
    },
  ]
}

async function judgeTimers(world: Here, config: Config, sshd: SshdAnswer): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const add = async (unit: string, lets: string): Promise<void> => {
    const finding = judgeState(unit, await timerState(world, unit), lets)
    if (finding) findings.push(finding)
  }
  if (config.auth_cache_enabled && config.offline_revalidation_enabled)
    await add(
      'ob-monitor.timer',
      'a session that began while the portal was away goes on, whatever the portal says later',
    )
  const isForSshd = 'portal' in sshd && settingOf(sshd.portal, 'revokedkeys') === paths.revokedKeys
  if (isForSshd || config.krl_max_age > 0)
    await add('ob-krl.timer', 'a key that the portal revoked is accepted for ever')
  return findings
}

function judgeState(unit: string, state: TimerState, lets: string): Finding | undefined {
  switch (state) {
    case 'armed':
    case 'no-systemd':
      return undefined
    case 'not-installed':
      return note(`${unit} is not installed: ${lets}`)
    case 'idle':
      return { ...bad(`${unit} does not run`, `systemctl enable --now ${unit}`), lets }
    case 'until-reboot':
      return { ...bad(`${unit} runs, but nothing starts it after a reboot`, `systemctl enable --now ${unit}`), lets }
  }
}

async function properties(world: Here, unit: string, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const { code, stdout } = await world.spawn(['systemctl', 'show', ...names.flatMap((name) => ['-p', name]), unit])
  const lines = code === 0 ? stdout.split('\n').filter((line) => line.includes('=')) : []
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}
