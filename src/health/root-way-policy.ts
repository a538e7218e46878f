// Whether root can still get in over ssh when the portal is gone.

import { bad, type Finding } from '../base/finding.ts'
import { settingOf, takesSecrets } from './sshd-policy.ts'
import type { SshdSettings } from './sshd-settings-format.ts'

export type RootFacts = {
  readonly settings: SshdSettings
  /** The lines of root's authorized_keys files. */
  readonly keys: readonly string[]
  readonly hasPassword: boolean
}

export function judgeRootWay({ settings, keys, hasPassword }: RootFacts): readonly Finding[] {
  const closed = refusal(settings) ?? withoutProof(settings, keys, hasPassword)
  if (closed === undefined) return []
  return [
    {
      ...bad(
        `root has no way in over ssh: ${closed}`,
        'put a key of an administrator into /root/.ssh/authorized_keys and let it in (PermitRootLogin prohibit-password), or know another way: console, rescue system',
      ),
      lets: 'when the portal or this configuration fails, nobody can repair this host over ssh',
    },
  ]
}

function refusal(settings: SshdSettings): string | undefined {
  if (settingOf(settings, 'permitrootlogin') === 'no') return 'permitrootlogin no'
  const excludes = (key: string): boolean =>
    (settings.get(key) ?? []).some((pattern) => pattern === 'root' || pattern === '*')
  if (excludes('denyusers')) return 'denyusers names root'
  if (excludes('denygroups')) return 'denygroups names root'
  const lacks = (key: string): boolean =>
    (settings.get(key) ?? []).length > 0 && !(settings.get(key) ?? []).some((one) => /^(root|\*)(@|$)/.test(one))
  if (lacks('allowusers')) return 'allowusers does not name root'
  if (lacks('allowgroups')) return 'allowgroups does not name the group root'
  return undefined
}

/** With a forced command a key runs that command and nothing else; cloud images have such a line. */
const isForced = (line: string): boolean => /^[^"]*\bcommand="/.test(line)

function withoutProof(settings: SshdSettings, lines: readonly string[], hasPassword: boolean): string | undefined {
  const permit = settingOf(settings, 'permitrootlogin')
  if (permit === 'yes' && hasPassword && takesSecrets(settings)) return undefined
  if (settingOf(settings, 'pubkeyauthentication') !== 'yes') return 'neither a password nor a key of root counts'
  if (permit === 'forced-commands-only') return 'permitrootlogin forced-commands-only'
  const keys = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
  if (keys.length === 0) return 'there is no key in its authorized_keys file'
  return keys.every(isForced) ? 'each key of its authorized_keys file has a forced command' : undefined
}
