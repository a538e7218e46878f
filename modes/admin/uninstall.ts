// Takes every set-up back, whatever its state, and says what is different on this host from now on.
import { allowed, denied } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { destroyIdentity, hasIdentity } from '../../src/setup/identity.ts'
import { readJournal, textAt, withSetupLock } from '../../src/setup/journal.ts'
import { isRead, type Leftover, leftoversIn } from '../../src/setup/leftovers-policy.ts'
import { allUnits, stopUnits } from '../../src/setup/units.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode } from '../run/mode.ts'
import { agrees, placesOf, reloadOrStart, takeBack } from './setup-host.ts'

export const syntax = {
  name: 'uninstall',
  summary:
    'Put back every file that ob setup changed, as it was before the first set-up, and say what is different now. Ends with 1 while anything still calls this program.',
  args: {
    'keep-identity': {
      type: 'boolean',
      description: 'keep what this host is to its portal, for a set-up that comes soon',
      default: false,
    },
    yes: { type: 'boolean', description: 'do not ask', default: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { yes, json, 'keep-identity': keepIdentity } = result.parsed
    if (!yes && !(await agrees(world, question))) return cancelled(json)
    return withSetupLock(world, () => uninstall(world, { json, keepIdentity }))
  },
}

function cancelled(json: boolean): Ending {
  const answer = { state: 'cancelled', error: 'nobody agreed, so nothing was changed', hint: 'ob uninstall --yes' }
  return ended(
    denied('gave-up'),
    json ? `${JSON.stringify(answer)}\n` : 'nothing was changed; a script says ob uninstall --yes\n',
  )
}

const question = 'Put back every file from before ob setup? Portal users can then no longer log in. Type yes: '

type How = { readonly json: boolean; readonly keepIdentity: boolean }

async function uninstall(world: World, { json, keepIdentity }: How): Promise<Ending> {
  const journal = readJournal(world)
  // Read before the configuration goes.
  const places = placesOf(world)
  const isKnown = world.files.stat(places.server_token_file) !== undefined
  const isThere = journal !== undefined && journal.state !== 'undone'
  const none = { restored: [], changedSince: [] }
  const { restored, changedSince } = isThere ? await takeBack(world, journal, 'origin') : none
  await stopUnits(world, allUnits)
  const isDestroyed = journal !== undefined && !journal.hadIdentity && !keepIdentity && hasIdentity(world, places)
  if (isDestroyed) destroyIdentity(world, places)
  const reloaded = isThere ? await reloadOrStart(world) : true
  const left = leftovers(world)
  const changes = isThere || isDestroyed ? differences(world, { isKnown, isDestroyed }) : []
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

type Identity = { readonly isKnown: boolean; readonly isDestroyed: boolean }

/** What an administrator should know before the next login. */
function differences(world: World, { isKnown, isDestroyed }: Identity): readonly string[] {
  const owners = keyOwners(world)
  return [
    `a user's own ~/.ssh/authorized_keys counts again${owners.length > 0 ? `: ${owners.join(', ')}` : ''}`,
    'sshd and sudo ask the PAM stacks of Debian again, so a Unix password counts where sshd takes one',
    ...(world.files.stat(paths.registry)
      ? [`portal users are unknown to NSS; their homes stay, and ${paths.registry} says which uid is whose`]
      : []),
    ...(isDestroyed ? ['what this host was to its portal is destroyed, with all that was sealed here'] : []),
    ...(isKnown ? ['the portal still knows this host: remove it there'] : []),
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
