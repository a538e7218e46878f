// Sets this host up for one way to log in, as a transaction: plan, diff, journal, test of the result, reload, and a
// switch that puts everything back unless a login confirms.
import { Fault, orElse } from '../../src/base/fault.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { checkConfig, problemText } from '../../src/config/load.ts'
import { formatDiff } from '../../src/setup/diff-format.ts'
import { hasIdentity } from '../../src/setup/identity.ts'
import { applyPlan, readJournal, setState, textAt, withSetupLock } from '../../src/setup/journal.ts'
import type { Journal } from '../../src/setup/journal-format.ts'
import { isKept, type Plan, planHost, setupPaths, type Wanted } from '../../src/setup/plan-policy.ts'
import { arm, disarm } from '../../src/setup/switch.ts'
import { isOpenBastion, modeThere } from '../../src/setup/takeover-policy.ts'
import { startUnits } from '../../src/setup/units.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'
import {
  agrees,
  enrolled,
  factsOf,
  makeKeysAccount,
  placesOf,
  preflight,
  reloadSshd,
  startSshd,
  takeBack,
  testResult,
  unitsToStart,
} from './setup-host.ts'
import { confirm, goBack, interrupted, said, status } from './setup-state.ts'
import { stockModes, stockOf } from './stock.ts'

export const syntax = {
  name: 'setup',
  summary:
    'Set this host up for one way to log in, with a way back: shows every change, tests the result, and goes back by itself unless a login confirms.',
  args: {
    verb: { type: 'positional', description: 'confirm, status, diff or undo; without one: set up', required: false },
    mode: {
      type: 'string',
      description:
        'the way to log in: a = a one-time token, b = a token or a Unix password, c = a key, d = any of these, e = a certificate, f = a web login, k = a key and then a web login, g = an OpenPGP challenge; ag, cg and eg add g for emergencies',
    },
    portal: { type: 'string', valueHint: 'url', description: 'the address of the portal, https://…' },
    'client-id': { type: 'string', description: 'the OAuth client of this host at the portal' },
    'client-secret-file': { type: 'string', description: 'the file with the secret of that client' },
    'server-group': { type: 'string', description: 'the group of servers at the portal that this host belongs to' },
    'ca-cert': {
      type: 'string',
      valueHint: 'file',
      description: 'the authority that signed the certificate of the portal, a PEM file',
    },
    'from-open-bastion': {
      type: 'boolean',
      description: 'take over a host that Open Bastion’s scripts set up (docs/moving.md)',
      default: false,
    },
    'revert-after': {
      type: 'string',
      valueHint: 'minutes',
      description: 'minutes until the host goes back unless confirmed',
      default: '10',
    },
    'unless-confirmed': { type: 'boolean', description: 'with undo: only when no login confirmed', default: false },
    'armed-for': {
      type: 'string',
      valueHint: 'instant',
      description: 'with undo: only if the switch is set to this instant, epoch seconds',
    },
    'if-interrupted': {
      type: 'boolean',
      description: 'with undo: only what was killed in the middle, or is overdue',
      default: false,
    },
    yes: { type: 'boolean', description: 'do not ask', default: false },
    'dry-run': { type: 'boolean', description: 'show the changes and write nothing', default: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

/** Seconds that a person waits for another set-up. */
const patience = 3

type Options = {
  readonly mode: string | undefined
  readonly wanted: Omit<Wanted, 'mode'>
  readonly minutes: number
  readonly yes: boolean
  readonly dryRun: boolean
  readonly json: boolean
}

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { parsed } = result
    const verb = parsed.verb ?? ''
    const { json } = parsed
    if (verb === 'status') return status(world, json)
    if (verb === 'confirm') return withSetupLock(world, () => confirm(world, json), patience)
    if (verb === 'undo') {
      const { 'armed-for': armedFor, 'unless-confirmed': unlessConfirmed, 'if-interrupted': ifInterrupted } = parsed
      const condition = { armedFor, unlessConfirmed, ifInterrupted }
      return withSetupLock(world, () => goBack(world, json, condition), unlessConfirmed ? undefined : patience)
    }
    if (verb !== '' && verb !== 'diff')
      return usage(`"${verb}" is no verb of setup; the verbs are confirm, status, diff, undo`)
    const minutes = /^[1-9][0-9]{0,2}$/.test(parsed['revert-after']) ? Number(parsed['revert-after']) : undefined
    if (minutes === undefined) return usage('--revert-after takes whole minutes from 1 to 999')
    const settings = settingsOf(world, parsed)
    if ('problem' in settings) return usage(settings.problem)
    const dryRun = parsed['dry-run'] || verb === 'diff'
    const takesOver = parsed['from-open-bastion']
    const { found, authority } = settings
    const wanted = { settings: found, takesOver, ...(authority !== undefined && { authority }) }
    const options = { mode: parsed.mode, wanted, minutes, yes: parsed.yes, dryRun, json }
    return withSetupLock(world, () => setUp(world, options), patience)
  },
}

type Given = Readonly<
  Record<'portal' | 'client-id' | 'client-secret-file' | 'server-group' | 'ca-cert', string | undefined>
>

type Settings = { readonly found: Record<string, string>; readonly authority?: string } | { readonly problem: string }

function settingsOf(world: World, given: Given): Settings {
  const found: Record<string, string> = {}
  const put = (key: string, value: string | undefined): void => {
    if (value !== undefined) found[key] = value
  }
  put('portal_url', given.portal)
  put('client_id', given['client-id'])
  put('server_group', given['server-group'])
  const named = given['ca-cert']
  const authority = named === undefined || isKept(named) ? undefined : textAt(world, named)
  if (named !== undefined && authority === undefined && world.files.stat(named) === undefined)
    return { problem: `${named} does not exist; it must hold the certificate of the authority, as PEM` }
  put('ca_cert', authority === undefined ? named : setupPaths.authority)
  const file = given['client-secret-file']
  if (file !== undefined) {
    const secret = textAt(world, file)?.trim()
    if (!secret) return { problem: `${file} is empty or does not exist; write the secret of the client into it` }
    put('client_secret', secret)
  }
  put('create_user', given.portal === undefined ? undefined : 'true')
  return { found, ...(authority !== undefined && { authority }) }
}

async function setUp(world: World, options: Options): Promise<Ending> {
  const earlier = readJournal(world)
  if (earlier?.state === 'applying') return said(options.json, 'interrupted', interrupted, denied('found-problems'))
  const facts = await factsOf(world)
  const { takesOver } = options.wanted
  const theirs = takesOver && isOpenBastion(facts.files) ? modeThere(facts.files) : undefined
  const name = options.mode ?? (earlier && earlier.state !== 'undone' ? earlier.mode : theirs)
  if (name === undefined)
    return usage(`name a mode with --mode: ${stockModes.join(', ')} (ob help setup says what each is)`)
  const stock = await stockOf(name)
  if (!stock) return usage(`"${name}" is no mode; the modes are ${stockModes.join(', ')}`)
  const plan = planHost(facts, { mode: name, ...options.wanted }, stock)
  const problems = [...plan.problems, ...configurationProblems(plan)]
  const warnings = preflight(world, name)
  if (options.dryRun || problems.length > 0) return show(world, plan, { problems, warnings, options })
  if (plan.edits.length === 0)
    return said(options.json, 'unchanged', `this host is set up for mode ${name} already\n`, allowed('done'))
  if (!options.json) world.stdout(`${diffOf(plan)}${marked(warnings)}`)
  if (!options.yes && !(await agrees(world, questionOf(plan.edits.length, options.minutes))))
    return said(options.json, 'cancelled', 'nothing was changed\n', denied('found-problems'))
  return carryOut(world, plan, { name, options })
}

/** The configuration as it would be must load: a typing error is found before anything is written. */
function configurationProblems({ edits }: Plan): readonly string[] {
  const edit = edits.find(({ path }) => path === setupPaths.configuration)
  const checked = edit && checkConfig(edit.after)
  return checked?.kind === 'refused'
    ? checked.problems.map((problem) => problemText(setupPaths.configuration, problem))
    : []
}

const diffOf = ({ edits }: Plan): string =>
  edits.map(({ path, before, after, why }) => `# ${why}\n${formatDiff(path, before, after)}\n`).join('')

const marked = (texts: readonly string[]): string => texts.map((text) => `! ${text}\n`).join('')

type Showing = {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  readonly options: Options
}

function show(_world: World, plan: Plan, { problems, warnings, options }: Showing): Ending {
  const outcome = problems.length > 0 ? denied('found-problems') : allowed('done')
  if (options.json) {
    const changes = plan.edits.map(({ path, before, why }) => ({
      path,
      change: before === undefined ? 'new' : 'edit',
      why,
    }))
    return ended(outcome, `${JSON.stringify({ state: 'planned', changes, problems, warnings })}\n`)
  }
  const objections = marked([...problems, ...warnings])
  return ended(outcome, `${diffOf(plan)}${objections}${plan.edits.length} files would change; nothing was written\n`)
}

function questionOf(count: number, minutes: number): string {
  const back = `They go back by themselves after ${minutes} minutes unless a login confirms.`
  return `Change these ${count} files? ${back} Type yes: `
}

type Carrying = { readonly name: string; readonly options: Options }

async function carryOut(world: World, plan: Plan, { name, options }: Carrying): Promise<Ending> {
  const { json, minutes } = options
  const tried = await orElse(
    () => attempt(world, plan, { name, options }),
    (fault) => fault,
  )
  if (tried instanceof Fault) return giveUp(world, tried)
  const { signal, broken, journal, units } = tried
  if (broken !== undefined || signal.aborted) {
    const { changedSince } = await takeBack(world, journal, 'earlier')
    const left = changedSince.length > 0 ? `; changed since by others, and left alone: ${changedSince.join(', ')}` : ''
    const text = `${broken ?? 'interrupted'}\nevery file is as before${left}\n`
    return said(json, 'undone', text, denied('found-problems'))
  }
  // The time counts from here: enrolling may have taken minutes.
  const revertAt = world.now() + minutes * 60
  const armed = await arm(world, revertAt)
  setState(world, journal, 'applied', revertAt)
  const idle = await startUnits(world, units)
  const reloaded = await reloadSshd(world)
  if (reloaded === 'gone') return afterLoss(world, json, journal)
  // Who came in until now was let in by the sshd of before.
  setState(world, { ...journal, startedAt: world.now() }, 'applied', revertAt)
  const back = journal.earlierMode === undefined ? 'goes back' : `goes back to mode ${journal.earlierMode}`
  const lines = [
    `mode ${name} is in place`,
    ...idle.map((unit) => `${unit} did not start: systemctl status ${unit}`),
    reloaded === 'took' ? 'sshd took it' : 'sshd does not run here, or could not be reloaded: systemctl reload ssh',
    armed === 'not-armed'
      ? 'the switch could not be armed: this host does NOT go back by itself; ob setup undo does it'
      : `this host ${back} in ${minutes} minutes unless a login confirms`,
    ...(armed === 'until-reboot' ? ['no systemd runs here: a reboot before that leaves the new files in place'] : []),
    'now log in from another terminal, and keep this one open; or: ob setup confirm',
  ]
  return said(json, 'applied', `${lines.join('\n')}\n`, allowed('done'), {
    mode: name,
    revert_at: Math.round(revertAt),
    switch: armed,
  })
}

/** What sshd -t does not see: an address or a port that cannot be had, for example. */
async function afterLoss(world: World, json: boolean, journal: Journal): Promise<Ending> {
  await takeBack(world, journal, 'earlier')
  const text = (await startSshd(world))
    ? 'sshd did not come up again, so every file is as before, and sshd runs with them'
    : 'sshd did not come up again, and with the files of before it does not either: keep this terminal open;\n' +
      '  → systemctl status ssh names the line; what changed since it was last started?'
  return said(json, 'undone', `${text}\n`, denied('found-problems'))
}

/** A full disk, a file that somebody changed meanwhile: what was written is taken back. */
async function giveUp(world: World, { message, hint, kind }: Fault): Promise<never> {
  const journal = readJournal(world)
  const isBegun = journal?.state === 'applying'
  if (isBegun) await takeBack(world, journal, 'earlier')
  else await disarm(world)
  throw new Fault(`${message}; ${isBegun ? 'every file is as before' : 'nothing was changed'}`, {
    kind,
    ...(hint !== undefined && { hint }),
  })
}

/** Writes the files and tests them; `broken` says what is wrong with the result. */
async function attempt(world: World, plan: Plan, { name, options }: Carrying) {
  // ^C reaches the children as well; what they leave undone is taken back.
  const signal = world.interrupted()
  const revertAt = world.now() + (options.minutes + enrolMinutes) * 60
  // Armed first: whatever happens from here on, the host goes back.
  await arm(world, revertAt)
  if (plan.edits.some(({ after }) => /^\s*AuthorizedKeysCommandUser ob-keys/m.test(after))) await makeKeysAccount(world)
  const units = await unitsToStart(world, plan, name)
  const journal = applyPlan(world, plan, {
    mode: name,
    revertAt,
    units,
    hadIdentity: hasIdentity(world, placesOf(world)),
  })
  const broken = (await testResult(world)) ?? (await enrolled(world, options.json))
  return { signal, broken, journal, units }
}

/** How long a code for enrolling may live (RFC 8628, expires_in) before the host goes back all the same. */
const enrolMinutes = 30
