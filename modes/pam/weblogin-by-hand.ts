// What administrators do about web logins: see and revoke approvals, and take over the settings of pam-weblogin.
import { decodeUtf8 } from '../../src/base/bytes.ts'
import { formatConf } from '../../src/base/conf-syntax.ts'
import { Fault } from '../../src/base/fault.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { allowed } from '../../src/base/outcome.ts'
import type { World } from '../../src/base/world.ts'
import { checkConfig, configPath, problemText } from '../../src/config/load.ts'
import { type ApprovalRecord, openApprovals } from '../../src/weblogin/approvals.ts'
import { linesOf, parseModuleConf } from '../../src/weblogin/module-conf-format.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, usage } from '../run/mode.ts'
import { syntax } from './weblogin-syntax.ts'

type Asked = { readonly name: string; readonly all: boolean; readonly write: boolean; readonly json: boolean }
type Verb = (world: World, asked: Asked) => Ending

export async function runByHand(args: readonly string[], world: World): Promise<Ending> {
  const result = await parse(syntax, args)
  if ('ending' in result) return result.ending
  const { verb, name = '', all, write, json } = result.parsed
  const work = verbs.get(verb)
  if (!work) return usage(`"${verb.slice(0, 40)}" is not approvals, revoke or import; the others belong in a PAM stack`)
  return work(world, { name, all, write, json })
}

const approvals: Verb = (world, { json }) => {
  const known = openApprovals(world).list()
  if (json) return ended(allowed('done'), `${JSON.stringify(known)}\n`)
  return ended(
    allowed('done'),
    known.length === 0 ? 'no web login counts for further connections\n' : table(world, known),
  )
}

const table = (world: World, known: readonly ApprovalRecord[]): string =>
  known
    .toSorted((a, b) => a.user.localeCompare(b.user) || a.expiresAt - b.expiresAt)
    .map(({ user, source, fingerprint, expiresAt, keptBy }) => {
      const minutes = Math.max(1, Math.round((expiresAt - world.now()) / 60))
      const keeper = keptBy === 'host' ? 'this host' : 'the service'
      return `${user} from ${source} with ${fingerprint}: ${minutes} min left, kept by ${keeper}\n`
    })
    .join('')

const revoke: Verb = (world, { name, all }) => {
  if (all === (name !== '')) return usage('revoke takes a user, or --all')
  const user = all ? 'everybody' : parseLoginName(name)
  if (!user) return usage('that is no login name')
  const known = openApprovals(world).revoke(user)
  const whose = all ? 'everybody' : name
  return ended(
    allowed('done'),
    `no web login of ${whose} from before now counts on this host (${known} known); sessions that run go on\n`,
  )
}

const moduleConf = '/etc/security/pam-weblogin.conf'

const importConf: Verb = (world, { name, write }) => {
  const path = name === '' ? moduleConf : name
  const bytes = world.files.readTrusted(path, { limit: 65_536, secret: true })
  if (!bytes) throw new Fault(`${path} does not exist`, { hint: 'name the file: ob weblogin import FILE' })
  const conf = parseModuleConf(decodeUtf8(bytes) ?? '')
  if ('problem' in conf) throw new Fault(`${path}: ${conf.problem}`)
  const notes = conf.notes.map((note) => `# ${note}\n`).join('')
  const shown = linesOf(conf, false).map(({ key, value }) => `${key} = ${value}\n`)
  if (!write) return ended(allowed('done'), `${shown.join('')}${notes}# --write adds these lines to ${configPath}\n`)
  const before = decodeUtf8(world.files.readTrusted(configPath, { limit: 1 << 20, secret: true }) ?? new Uint8Array())
  const text = `${before ?? ''}${before && !before.endsWith('\n') ? '\n' : ''}${formatConf(linesOf(conf, true))}`
  const checked = checkConfig(text)
  if (checked.kind === 'refused')
    throw new Fault(checked.problems.map((problem) => problemText(configPath, problem)).join('\n'), {
      hint: 'nothing was written; correct this first',
    })
  world.files.writeAtomic(configPath, text, { mode: 0o600 })
  return ended(allowed('done'), `${shown.join('')}${notes}# added to ${configPath}\n`)
}

const verbs: ReadonlyMap<string, Verb> = new Map([
  ['approvals', approvals],
  ['revoke', revoke],
  ['import', importConf],
])
