// The program, its configuration, and the directories that it writes to.

import { decodeUtf8 } from '../base/bytes.ts'
import { bad, type Finding, good, note } from '../base/finding.ts'
import { dirname, paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { type Config, checkConfig, configPath, loadConfig, problemText } from '../config/load.ts'

export function judgeProgram(world: Parts<'files'>): readonly Finding[] {
  const facts = world.files.stat('/usr/sbin/ob')
  const shut = (message: string, lets: string, remedy: string): Finding => ({ verdict: 'shut', message, lets, remedy })
  if (!facts)
    return [
      shut(
        '/usr/sbin/ob does not exist',
        'PAM and sshd call it by that path: everybody but root is refused',
        'install it there',
      ),
    ]
  if (facts.uid !== 0 || (facts.mode & 0o022) !== 0)
    return [
      {
        verdict: 'open',
        message: '/usr/sbin/ob belongs to or can be written by others than root',
        lets: 'they decide who gets in, as root',
        remedy: 'chown root:root /usr/sbin/ob && chmod 755 /usr/sbin/ob',
      },
    ]
  if ((facts.mode & 0o6000) !== 0) return [bad('/usr/sbin/ob is setuid or setgid', 'chmod 755 /usr/sbin/ob')]
  if ((facts.mode & 0o111) === 0)
    return [shut('/usr/sbin/ob cannot be executed', 'everybody but root is refused', 'chmod 755 /usr/sbin/ob')]
  return [good('/usr/sbin/ob belongs to root')]
}

export function judgeConfiguration(world: Parts<'files'>): readonly Finding[] {
  loadConfig(world.files)
  const bytes = world.files.readTrusted(configPath, { limit: 1 << 20, secret: true })
  const { warnings } = checkConfig((bytes && decodeUtf8(bytes)) ?? '')
  return [good(`${configPath} is complete`), ...warnings.map((problem) => note(problemText(configPath, problem)))]
}

export async function judgeDirectories(world: Parts<'files' | 'spawn'>, config: Config): Promise<readonly Finding[]> {
  const wanted = [
    paths.run,
    paths.state,
    dirname(config.server_token_file),
    config.rate_limit_state_dir,
    dirname(config.audit_log_file),
  ]
  const there = [...new Set(wanted)].filter((path) => world.files.stat(path))
  const findings = there.flatMap((path) => {
    const facts = world.files.stat(path)
    if (facts?.kind !== 'directory') return [bad(`${path} is not a directory`, `move ${path} away`)]
    if (facts.uid !== 0) return [bad(`${path} belongs to uid ${facts.uid}`, `chown root: ${path}`)]
    return (facts.mode & 0o022) === 0 ? [] : [bad(`${path} can be written by others`, `chmod go-w ${path}`)]
  })
  const full = await judgeSpace(world, fileSystemsOf(world, wanted))
  return findings.length + full.length > 0
    ? [...findings, ...full]
    : [good('state and log directories belong to root and have room')]
}

/** Where the directories are, or will be made: each one or what is there above it. */
function fileSystemsOf(world: Parts<'files'>, directories: readonly string[]): readonly string[] {
  const nearest = (path: string): string => (path === '/' || world.files.stat(path) ? path : nearest(dirname(path)))
  return [...new Set(directories.map(nearest))]
}

/** What a login writes is small; a disk with less room than this is as good as full. KiB. */
const leastRoom = 1_024

/**
 * df(1) says so for bytes and for inodes, one line a directory. There is always a directory: without one df speaks of
 * every mount of the machine, also of those that are full by nature, such as an image of a CD.
 */
async function judgeSpace(world: Parts<'spawn'>, directories: readonly string[]): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const seen = new Set<string>()
  for (const [option, what, least] of [
    ['-Pk', 'room', leastRoom],
    ['-Pi', 'inodes', 64],
  ] as const) {
    const { code, stdout } = await world.spawn(['df', option, ...directories])
    if (code !== 0) continue
    for (const line of stdout.trimEnd().split('\n').slice(1)) {
      const [, total = '', , free = ''] = line.split(/\s+/)
      const mount = line.slice(line.indexOf('% ') + 2)
      // A file system without a number of inodes shows 0 of 0.
      if (!/^\d+$/.test(free) || total === '0' || Number(free) >= least || seen.has(mount)) continue
      seen.add(mount)
      findings.push({
        ...bad(
          `${mount} has no ${what} left (${free}${what === 'room' ? ' KiB' : ''})`,
          `make room: du -x --max-depth=2 ${mount} | sort -n | tail`,
        ),
        lets: 'used tokens, failures and the audit log cannot be written, so logins are refused',
      })
    }
  }
  return findings
}
