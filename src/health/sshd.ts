// What sshd does for a portal user, a local one and root, and whether the one that runs has read its files since they
// changed.

import { decodeUtf8 } from '../base/bytes.ts'
import { bad, type Finding, good } from '../base/finding.ts'
import type { Parts } from '../base/world.ts'
import { judgeRootWay } from './root-way-policy.ts'
import { overridesOf, parseDropIn } from './sshd-drop-in-policy.ts'
import { judgeSshd, ownKeyFiles, type SshdView, settingOf, takesKeys } from './sshd-policy.ts'
import { parseSshdSettings, type SshdSettings } from './sshd-settings-format.ts'

type SshdWorld = Parts<'files' | 'spawn'>

const mainFile = '/etc/ssh/sshd_config'
const folder = '/etc/ssh/sshd_config.d'
const dropInFile = `${folder}/00-open-bastion.conf`

export type Sshd = {
  readonly portal: SshdSettings
  readonly local: { readonly name: string; readonly settings: SshdSettings } | undefined
  readonly root: SshdSettings
}

export type SshdAnswer = Sshd | { readonly problem: string }

const textOf = (world: Parts<'files'>, path: string): string => {
  const bytes = world.files.stat(path)?.kind === 'file' ? world.files.read(path, 1 << 20) : undefined
  return (bytes && decodeUtf8(bytes)) ?? ''
}

/** What `sshd -T` prints about each kind of user. */
export async function readSshd(world: SshdWorld, portalUser: string | undefined): Promise<SshdAnswer> {
  const ask = async (user: string): Promise<SshdSettings | string> => {
    const { code, stdout, stderr } = await world.spawn([
      'sshd',
      '-T',
      '-C',
      `user=${user},host=localhost,addr=127.0.0.1`,
    ])
    return code === 0 ? parseSshdSettings(stdout) : (stderr.split('\n')[0] ?? '').slice(0, 200)
  }
  const name = localUser(textOf(world, '/etc/passwd'))
  // Somebody whom no Match line can name.
  const portal = await ask(portalUser ?? 'ob-doctor-asks')
  const root = await ask('root')
  const local = name === undefined ? undefined : await ask(name)
  if (typeof portal === 'string') return { problem: portal }
  if (typeof root === 'string') return { problem: root }
  return {
    portal,
    root,
    local: name !== undefined && local && typeof local !== 'string' ? { name, settings: local } : undefined,
  }
}

function localUser(passwd: string): string | undefined {
  const people = passwd.split('\n').map((line) => line.split(':'))
  return people.find(([, , uid]) => Number(uid) >= 1000 && Number(uid) < 60_000)?.[0]
}

export async function judgeSshdHere(world: SshdWorld, answer: SshdAnswer): Promise<readonly Finding[]> {
  if ('problem' in answer)
    return [
      {
        verdict: 'shut',
        message: `sshd -T: ${answer.problem === '' ? 'it failed' : answer.problem}`,
        lets: 'sshd does not start again after a reboot or restart',
        remedy: 'mend sshd_config; sshd -t names the line',
      },
    ]
  const findings = [
    ...judgeSshd(await viewOf(world, answer)),
    ...judgeLocal(answer),
    ...judgeRootWay({ settings: answer.root, keys: rootKeys(world, answer.root), hasPassword: hasRootPassword(world) }),
    ...judgeReload(world, settingOf(answer.portal, 'pidfile')),
  ]
  return findings.some(({ verdict }) => verdict !== 'note')
    ? findings
    : [good('sshd does what this needs (sshd -T)'), ...findings]
}

async function viewOf(world: SshdWorld, { portal, root }: Sshd): Promise<SshdView> {
  const users = ['authorizedkeyscommanduser', 'authorizedprincipalscommanduser'].map((key) => settingOf(portal, key))
  const known = new Set<string>()
  for (const user of users)
    if (user !== '' && (await world.spawn(['getent', 'passwd', user])).code === 0) known.add(user)
  const dropIn = textOf(world, dropInFile)
  const isIncluded = /^\s*Include\s+.*sshd_config\.d/im.test(textOf(world, mainFile))
  return {
    portal,
    root,
    overrides: overridesOf(parseDropIn(dropInFile, dropIn), { portal, root }, isIncluded),
    isThere: (path) => world.files.stat(path) !== undefined,
    hasUser: (name) => known.has(name),
  }
}

function judgeLocal({ portal, local }: Sshd): readonly Finding[] {
  if (!local) return []
  const file = ownKeyFiles(local.settings)[0]
  if (file === undefined || !takesKeys(local.settings) || ownKeyFiles(portal).length > 0) return []
  return [{ verdict: 'note', message: `sshd -T: for ${local.name}, an account of this host, ${file} counts` }]
}

function rootKeys(world: Parts<'files'>, root: SshdSettings): readonly string[] {
  const files = (root.get('authorizedkeysfile') ?? []).flatMap((value) => value.split(/\s+/))
  return files
    .filter((file) => file !== 'none')
    .map((file) => file.replaceAll('%h', '/root').replaceAll('%u', 'root').replaceAll('%%', '%'))
    .flatMap((file) => textOf(world, file.startsWith('/') ? file : `/root/${file}`).split('\n'))
}

function hasRootPassword(world: Parts<'files'>): boolean {
  const [, hash = ''] = /^root:([^:]*):/m.exec(textOf(world, '/etc/shadow')) ?? []
  return hash.startsWith('$')
}

/** sshd writes its pid file when it has read its configuration, at a reload as well. */
function judgeReload(world: Parts<'files'>, pidFile: string): readonly Finding[] {
  const since = pidFile === '' || pidFile === 'none' ? undefined : world.files.stat(pidFile)?.modifiedAt
  if (since === undefined) return []
  const files = [mainFile, folder, ...(world.files.list(folder) ?? []).map((name) => `${folder}/${name}`)]
  const newer = files.find((file) => (world.files.stat(file)?.modifiedAt ?? 0) > since)
  if (newer === undefined) return []
  return [
    {
      ...bad(`${newer} changed after the running sshd had read it`, 'sshd -t && systemctl reload ssh'),
      lets: 'what is said here about sshd is what the files say, not what runs',
    },
  ]
}
