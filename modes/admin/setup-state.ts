// What ob setup says about a set-up that is there: confirm it, take it back, and where the host is.
import { orElse } from '../../src/base/fault.ts'
import { allowed, denied, unavailable } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { loadConfig } from '../../src/config/load.ts'
import { readJournal, setState } from '../../src/setup/journal.ts'
import type { Journal } from '../../src/setup/journal-format.ts'
import { confirmingLogin, disarm } from '../../src/setup/switch.ts'
import { type Ending, ended } from '../run/mode.ts'
import { reloadOrStart, takeBack } from './setup-host.ts'

export const interrupted =
  'an earlier set-up was interrupted; the files before it are in the journal\n  → ob setup undo\n'

export async function confirm(world: World, json: boolean): Promise<Ending> {
  const journal = readJournal(world)
  if (journal?.state === 'confirmed') return said(json, 'confirmed', 'confirmed already\n', allowed('done'))
  if (journal?.state !== 'applied')
    return said(json, journal?.state ?? 'none', 'nothing waits for a confirmation\n', denied('found-problems'))
  setState(world, journal, 'confirmed')
  await disarm(world)
  return said(
    json,
    'confirmed',
    `mode ${journal.mode} stays; ob setup undo still knows the way back\n`,
    allowed('done'),
  )
}

export type Condition = {
  readonly unlessConfirmed: boolean
  readonly ifInterrupted: boolean
  readonly armedFor: string | undefined
}

export async function goBack(world: World, json: boolean, condition: Condition): Promise<Ending> {
  const journal = readJournal(world)
  const { unlessConfirmed, ifInterrupted, armedFor } = condition
  const isMeant = armedFor === undefined || (journal && String(Math.round(journal.revertAt)) === armedFor)
  // The switch may have been cut in the middle of its work, or the host was off at the time.
  const isOverdue = journal?.state === 'applied' && world.now() >= journal.revertAt
  const isHalfDone = journal?.state === 'applying' || (journal?.state === 'undone' && journal.units.length > 0)
  if (!isMeant || (ifInterrupted && !isHalfDone && !isOverdue)) {
    // Who was killed after the decision left its switch behind.
    if (journal?.state !== 'applied') await disarm(world)
    return said(json, journal?.state ?? 'none', 'there is nothing to undo\n', allowed('done'))
  }
  if (!journal || (journal.state === 'undone' && !isHalfDone)) {
    await disarm(world)
    return said(json, 'undone', 'there is nothing to undo\n', allowed('done'))
  }
  if (unlessConfirmed && journal.state === 'confirmed') {
    await disarm(world)
    return said(json, 'confirmed', 'confirmed: it stays\n', allowed('done'))
  }
  const user =
    (unlessConfirmed || ifInterrupted) && journal.state === 'applied' ? loginSince(world, journal) : undefined
  if (user !== undefined) {
    setState(world, journal, 'confirmed')
    await disarm(world)
    return said(json, 'confirmed', `confirmed by the login of ${user}\n`, allowed('done'))
  }
  // An unconfirmed change of the mode goes back to the mode before; a confirmed set-up goes to where no set-up was.
  const earlier = journal.state === 'confirmed' ? undefined : journal.earlierMode
  const { restored, changedSince } = await takeBack(world, journal, earlier === undefined ? 'origin' : 'earlier')
  const reloaded = await reloadOrStart(world)
  const lines = [
    `${restored.length} files are as before${reloaded ? ', and sshd took them' : '; reload sshd: systemctl reload ssh'}`,
    ...changedSince.map((path) => `! ${path} was changed since by another program, and was left alone`),
    earlier === undefined
      ? "a user's own ~/.ssh/authorized_keys counts again, where sshd's configuration says so"
      : `mode ${earlier} is in place again`,
  ]
  const outcome = changedSince.length > 0 ? denied('found-problems') : allowed('done')
  const state = earlier === undefined ? 'undone' : 'confirmed'
  return said(json, state, `${lines.join('\n')}\n`, outcome, { restored, changed_since: changedSince })
}

function loginSince(world: World, journal: Journal): string | undefined {
  return confirmingLogin(world, loadConfig(world.files), journal)
}

const stillStarting = (units: readonly string[]): string =>
  units.length === 0 ? '' : `these units could not be ended: ${units.join(', ')}\n  → ob setup undo\n`

export function status(world: World, json: boolean): Ending {
  const journal = readJournal(world)
  if (!journal) return said(json, 'none', 'ob setup has changed nothing on this host\n', allowed('done'))
  const entered =
    journal.state === 'applied'
      ? orElse(
          () => loginSince(world, journal),
          () => undefined,
        )
      : undefined
  const left = Math.max(0, Math.round(journal.revertAt - world.now()))
  const texts: Record<Journal['state'], string> = {
    applying: `${interrupted}`,
    applied: entered
      ? `mode ${journal.mode} is in place and stays: ${entered} logged in; ob setup confirm ends the waiting at once\n`
      : `mode ${journal.mode} is in place and waits for a login or ob setup confirm; it goes back in ${left} s\n`,
    confirmed: `mode ${journal.mode} is in place and confirmed\n`,
    undone: `mode ${journal.mode} was undone; the files are as before\n${stillStarting(journal.units)}`,
  }
  const outcome = journal.state === 'applying' ? unavailable('found-problems') : allowed('done')
  return said(json, journal.state, texts[journal.state], outcome, {
    mode: journal.mode,
    revert_at: Math.round(journal.revertAt),
    files: journal.files.map(({ path }) => path),
  })
}

export function said(
  json: boolean,
  state: string,
  text: string,
  outcome: Parameters<typeof ended>[0],
  more: Readonly<Record<string, unknown>> = {},
): Ending {
  return ended(outcome, json ? `${JSON.stringify({ state, text: text.trim(), ...more })}\n` : text)
}
