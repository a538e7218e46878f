// openbastion.conf for the administrator: is it right, and what of a file that Open Bastion's scripts wrote.
import { decodeBytewise, decodeUtf8 } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { checkConfig, configPath, type Problem, problemText } from '../../src/config/load.ts'
import { type LineChange, migrate, oldTokenFile } from '../../src/config/migrate-policy.ts'
import { formatDiff } from '../../src/setup/diff-format.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'config',
  summary:
    'The configuration: check names every line that is wrong, migrate makes a file of Open Bastion work, says what each line became, and keeps the old one beside it.',
  args: {
    verb: { type: 'positional', description: 'check or migrate', required: true },
    'dry-run': { type: 'boolean', description: 'migrate: show the changes and write nothing', default: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, json, 'dry-run': isDry } = result.parsed
    if (verb === 'check') return isDry ? usage('--dry-run goes with migrate') : check(world, json)
    return verb === 'migrate'
      ? migrateHere(world, { isDry, json })
      : usage(`"${verb.slice(0, 40)}" is not check or migrate`)
  },
}

const nssPath = '/etc/open-bastion/nss_openbastion.conf'
const { keyFile } = paths
const limit = 1 << 20

function textOf(world: World): string {
  const bytes = world.files.readTrusted(configPath, { limit, secret: false })
  if (!bytes) throw new Fault(`${configPath} does not exist`, { hint: 'ob setup --mode … makes one' })
  const text = decodeUtf8(bytes)
  if (text === undefined) throw new Fault(`${configPath} is not UTF-8 text`, { hint: 'save it as UTF-8' })
  return text
}

function otherText(world: World, path: string): string | undefined {
  const bytes = world.files.readTrusted(path, { limit, secret: false })
  return bytes && decodeBytewise(bytes)
}

const listOf = (problems: readonly Problem[]): readonly string[] =>
  problems.map((one) => problemText(configPath, one) + (one.hint === undefined ? '' : `\n  → ${one.hint}`))

function check(world: World, json: boolean): Ending {
  const checked = checkConfig(textOf(world))
  const problems = checked.kind === 'refused' ? checked.problems : []
  const lines = [...listOf(problems), ...listOf(checked.warnings)]
  const text = lines.length > 0 ? `${lines.join('\n')}\n` : `${configPath} is right\n`
  const value = { sound: problems.length === 0, problems, warnings: checked.warnings }
  return ended(
    problems.length === 0 ? allowed('done') : denied('found-problems'),
    json ? `${JSON.stringify(value)}\n` : text,
  )
}

type Options = { readonly isDry: boolean; readonly json: boolean }

function migrateHere(world: World, { isDry, json }: Options): Ending {
  const before = textOf(world)
  const isThere = (path: string): boolean => world.files.stat(path) !== undefined
  const hasOldToken = isThere(oldTokenFile) && !isThere('/var/lib/open-bastion/token')
  const { text, changes, problems } = migrate({
    text: before,
    nss: otherText(world, nssPath),
    allowedBastions: otherText(world, '/etc/open-bastion/allowed_bastions'),
    services: otherText(world, '/etc/open-bastion/service-accounts.conf'),
    hasOldToken,
  })
  const modes = looseFiles(world)
  const isChanged = text !== before || modes.length > 0
  const isWritten = isChanged && !isDry && problems.length === 0
  const backup = isWritten ? write(world, before, text, modes) : undefined
  const value = { changes, modes, problems, written: isWritten, backup }
  const outcome = problems.length === 0 ? allowed('done') : denied('found-problems')
  if (json) return ended(outcome, `${JSON.stringify(value)}\n`)
  const lines = [
    ...(text === before ? [] : [formatDiff(configPath, before, text).trimEnd(), '']),
    ...changes.map(changeText),
    ...modes.map((path) => `${path}: mode 0600, others could read it`),
    ...listOf(problems),
    endText({ isChanged, isDry, problems, backup }),
  ]
  return ended(outcome, `${lines.join('\n')}\n`)
}

const changeText = ({ line, what, became }: LineChange): string =>
  `${line === 0 ? 'new' : `line ${line}`}: ${what} → ${became}`

type End = { isChanged: boolean; isDry: boolean; problems: readonly Problem[]; backup: string | undefined }

function endText({ isChanged, isDry, problems, backup }: End): string {
  if (problems.length > 0) return 'nothing was written; correct these lines first, then run it again'
  if (!isChanged) return `${configPath} needs no change`
  if (isDry) return 'nothing was written'
  return backup === undefined
    ? 'done'
    : `done; the old file is ${backup}, and the way back is: cp -p ${backup} ${configPath}`
}

/** Files with secrets that Open Bastion reads although others can, too. */
const looseFiles = (world: World): readonly string[] =>
  [configPath, keyFile].filter((path) => {
    const facts = world.files.stat(path)
    return facts?.kind === 'file' && facts.uid === 0 && (facts.mode & 0o077) !== 0
  })

function write(world: World, before: string, text: string, modes: readonly string[]): string | undefined {
  if (modes.includes(keyFile)) {
    const bytes = world.files.readTrusted(keyFile, { limit, secret: false })
    if (bytes) world.files.writeAtomic(keyFile, bytes, { mode: 0o600 })
  }
  const backup = text === before ? undefined : freeName(world, `${configPath}.before-migration`)
  if (backup !== undefined) world.files.writeAtomic(backup, before, { mode: 0o600 })
  if (text !== before || modes.includes(configPath)) world.files.writeAtomic(configPath, text, { mode: 0o600 })
  return backup
}

/** An older copy is never overwritten. */
function freeName(world: World, path: string): string {
  for (let number = 0; ; number++) {
    const name = number === 0 ? path : `${path}.${number}`
    if (world.files.stat(name) === undefined) return name
  }
}
