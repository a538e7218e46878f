// Whether the account as which sshd runs `ob keys` can read what it has to: root's eyes see more.

import { bad, type Finding } from '../base/finding.ts'
import { paths } from '../base/paths.ts'
import type { FileFacts, Parts } from '../base/world.ts'
import type { SshdAnswer } from './sshd.ts'
import { settingOf, takesSecrets } from './sshd-policy.ts'

type Account = { readonly uid: number; readonly gid: number }

const folders = [paths.authorizedKeys, paths.serviceKeys, paths.exportedKeys]

export async function judgeKeyFiles(world: Parts<'files' | 'spawn'>, sshd: SshdAnswer): Promise<readonly Finding[]> {
  if (!('portal' in sshd) || !/^\/usr\/sbin\/ob\s/.test(settingOf(sshd.portal, 'authorizedkeyscommand'))) return []
  const user = settingOf(sshd.portal, 'authorizedkeyscommanduser')
  const { code, stdout } = await world.spawn(['getent', 'passwd', user])
  const [, , uid, gid] = stdout.split(':')
  if (code !== 0 || uid === undefined || gid === undefined) return []
  const account = { uid: Number(uid), gid: Number(gid) }
  const shut = new Set<string>()
  const findings: Finding[] = []
  for (const folder of folders) {
    const closed = closedDirectory(world, folder, account)
    if (closed !== undefined && (world.files.list(folder) ?? []).length > 0) {
      if (shut.has(closed)) continue
      shut.add(closed)
      findings.push({
        verdict: takesSecrets(sshd.portal) ? 'bad' : 'shut',
        message: `${user}, as which sshd runs ob keys, cannot enter ${closed}`,
        lets: 'the keys in it count for nobody',
        remedy: `chmod o+x ${closed}`,
      })
      continue
    }
    for (const name of world.files.list(folder) ?? []) {
      const facts = world.files.stat(`${folder}/${name}`)
      if (closed === undefined && facts?.kind === 'file' && !allows(facts, account, 4))
        findings.push({
          ...bad(`${user}, as which sshd runs ob keys, cannot read ${folder}/${name}`, `chmod o+r ${folder}/${name}`),
          lets: 'the keys in it do not count',
        })
    }
  }
  return findings
}

/** The first directory on the way that this account cannot pass. */
function closedDirectory(world: Parts<'files'>, folder: string, account: Account): string | undefined {
  const parts = folder.split('/').slice(1)
  const way = parts.map((_, at) => `/${parts.slice(0, at + 1).join('/')}`)
  return way.find((path) => {
    const facts = world.files.stat(path)
    return facts?.kind === 'directory' && !allows(facts, account, 1)
  })
}

const allows = ({ uid, gid, mode }: FileFacts, account: Account, bit: number): boolean => {
  const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0
  return ((mode >> shift) & bit) !== 0
}
