// Recovery codes of people, for the administrator: printed once, kept as hashes.
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { loadConfig } from '../../src/config/load.ts'
import { openRecoveryCodes, type RecoveryCodes } from '../../src/gpg/recovery.ts'
import { parse } from '../run/args.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'

export const syntax = {
  name: 'recovery',
  summary:
    'One-time codes on paper, which the prompt below an OpenPGP challenge takes as well: make USER prints ten new ones, once, and those of before count no more; list says how many are left; remove USER takes them away.',
  args: {
    verb: { type: 'positional', description: 'make, list or remove', required: true },
    user: { type: 'positional', description: 'the user', required: false },
    json: { type: 'boolean', description: 'print JSON', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const { verb, user: name, json } = result.parsed
    loadConfig(world.files)
    const recovery = openRecoveryCodes(world)
    if (verb === 'list') return name === undefined ? list(recovery, json) : usage('list takes no user')
    const user = parseLoginName(name ?? '')
    if (verb !== 'make' && verb !== 'remove') return usage(`"${verb.slice(0, 40)}" is not make, list or remove`)
    if (!user) return usage(`${verb} needs a name of 1 to 32 of a-z 0-9 _ - . that begins with a letter or _`)
    return verb === 'make' ? make(recovery, user, json) : remove(recovery, user, json)
  },
}

async function make(recovery: RecoveryCodes, user: LoginName, json: boolean): Promise<Ending> {
  const codes = await recovery.make(user)
  if (json) return ended(allowed('done'), `${JSON.stringify({ user, codes })}\n`)
  const text = [
    `Recovery codes of ${user}. Each counts once. They are shown now and never again: print them, keep them on paper.`,
    ...codes.map((code) => `  ${code}`),
    'They count where the stack runs ob gpg ask and ob gpg check (pam.d/mode-g.* and its relatives).',
  ]
  return ended(allowed('done'), `${text.join('\n')}\n`)
}

function list(recovery: RecoveryCodes, json: boolean): Ending {
  const rows = recovery.users().map((user) => ({ user, left: recovery.left(user) ?? 0 }))
  if (json) return ended(allowed('done'), `${JSON.stringify(rows)}\n`)
  const lines = rows.map(({ user, left }) => `${user.padEnd(32)} ${left} left`)
  return ended(allowed('done'), `${lines.join('\n') || 'nobody has recovery codes; ob recovery make USER'}\n`)
}

function remove(recovery: RecoveryCodes, user: LoginName, json: boolean): Ending {
  const removed = recovery.remove(user)
  const text = removed ? `${user} has no recovery codes any more` : `${user} has no recovery codes`
  return ended(
    removed ? allowed('done') : denied('found-problems'),
    json ? `${JSON.stringify({ user, removed })}\n` : `${text}\n`,
  )
}
