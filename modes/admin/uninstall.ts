// Takes every set-up back, whatever its state, and says what is different on this host from now on.
import { allowed, denied } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { readJournal, textAt, withSetupLock } from '../../src/setup/journal.ts'
import { isRead, type Leftover, leftoversIn } from '../../src/setup/leftovers-policy.ts'
import { allUnits, stopUnits } from '../../src/setup/units.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode } from '../run/mode.ts'
import { reloadSshd, takeBack } from './setup-host.ts'

export const syntax = {
  name: 'uninstall',
  summary:
    'Put back every file that ob setup changed, as it was before the first set-up, and say what is different now. Ends with 1 while anything still calls this program.',
  args: {
    yes: { type: 'boolean', description: 'do not ask', default: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { yes, json } = result.parsed
    if (!yes && !(await agrees(world)))
      return ended(denied('found-problems'), json ? '{"state":"cancelled"}\n' : 'nothing was changed\n')
    return withSetupLock(world, () => uninstall(world, json))
  },
}

async function agrees(world: World): Promise<boolean> {
  if (!world.terminal) return false
  const question = 'Put back every file from before ob setup? Portal users can then no longer log in. Type yes: '
  const answer = await world.hiddenInput(question, 16)
  return new TextDecoder().decode(answer).trim() === 'yes'
}

async function uninstall(world: World, json: boolean): Promise<Ending> {
  const journal = readJournal(world)
  const isThere = journal !== undefined && journal.state !== 'undone'
  const none = { restored: [], changedSince: [] }
  const { restored, changedSince } = isThere ? await takeBack(world, journal, 'origin') : none
  await stopUnits(world, allUnits)
  const reloaded = isThere ? await reloadSshd(world) : true
  const left = leftovers(world)
  const changes = isThere ? differences(world) : []
  const outcome = left.length + changedSince.length === 0 ? allowed('done') : denied('found-problems')
  if (json) {
    const answer = { state: 'undone', restored, changed_since: changedSince, still_calls: left, different_now: changes }
    return ended(outcome, `${JSON.stringify(answer)}\n`)
  }
  const lines = [
    isThere ? `${restored.length} files are as before the first set-up` : 'ob setup has changed nothing here',
    ...(reloaded ? [] : ['! sshd was not reloaded: systemctl reload ssh']),
    ...changedSince.map((path) => `! ${path} was changed since by another program, and was left alone`),
    ...left.flatMap(({ path, line, text }) => [
      `! ${path}:${line} still calls ob: ${text}`,
      `  → restore that file, or remove the line: editor +${line} ${path}`,
    ]),
    ...(changes.length > 0 ? ['different from now on:', ...changes.map((change) => `- ${change}`)] : []),
  ]
  return ended(outcome, `${lines.join('\n')}\n`)
}

const places = ['/etc/pam.d', '/etc/ssh/sshd_config.d', '/etc/sudoers.d']

/** Lines that call the program although every file of ours is gone: somebody else's, or written by hand. */
function leftovers(world: World): readonly Leftover[] {
  const found = places.flatMap((folder) => (world.files.list(folder) ?? []).map((name) => `${folder}/${name}`))
  const paths = [...found.filter(isRead), '/etc/ssh/sshd_config', '/etc/sudoers']
  return paths.sort().flatMap((path) => {
    const isFile = world.files.stat(path)?.kind === 'file'
    return isFile ? leftoversIn(path, textAt(world, path) ?? '') : []
  })
}

/** What an administrator should know before the next login. */
function differences(world: World): readonly string[] {
  const owners = keyOwners(world)
  const registry = '/var/lib/open-bastion/users.json'
  return [
    `a user's own ~/.ssh/authorized_keys counts again${owners.length > 0 ? `: ${owners.join(', ')}` : ''}`,
    'sshd and sudo ask the PAM stacks of Debian again, so a Unix password counts where sshd takes one',
    ...(world.files.stat(registry)
      ? [`portal users are unknown to NSS; their homes stay, and ${registry} says which uid is whose`]
      : []),
    ...(world.files.stat('/var/lib/open-bastion/token')
      ? ['the portal still knows this host: remove it there, so that its server token ends']
      : []),
    'sessions that are open stay open',
  ]
}

/** Local users with keys of their own; root's counted all the time. */
function keyOwners(world: World): readonly string[] {
  const rows = (textAt(world, '/etc/passwd') ?? '').split('\n').map((line) => line.split(':'))
  return rows.flatMap(([name = '', , uid, , , home = '']) => {
    if (uid === '0' || !home.startsWith('/')) return []
    const facts = world.files.stat(`${home}/.ssh/authorized_keys`)
    return facts && facts.size > 0 ? [name] : []
  })
}
