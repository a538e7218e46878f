// The control field of a PAM line (pam.conf(5)): what the stack does with each value that a module may return.

export const pamValues = [
  'success',
  'open_err',
  'symbol_err',
  'service_err',
  'system_err',
  'buf_err',
  'perm_denied',
  'auth_err',
  'cred_insufficient',
  'authinfo_unavail',
  'user_unknown',
  'maxtries',
  'new_authtok_reqd',
  'acct_expired',
  'session_err',
  'cred_unavail',
  'cred_expired',
  'cred_err',
  'no_module_data',
  'conv_err',
  'authtok_err',
  'authtok_recover_err',
  'authtok_lock_busy',
  'authtok_disable_aging',
  'try_again',
  'ignore',
  'abort',
  'authtok_expired',
  'module_unknown',
  'bad_item',
  'conv_again',
  'incomplete',
] as const

/** What a module may return (pam(3)). */
export type PamValue = (typeof pamValues)[number]

/** A number is a jump over so many lines. */
export type PamAction = 'ok' | 'done' | 'bad' | 'die' | 'ignore' | 'reset' | number

export type PamControl = {
  readonly named: ReadonlyMap<PamValue, PamAction>
  readonly otherwise: PamAction
}

const control = (otherwise: PamAction, named: Partial<Record<PamValue, PamAction>>): PamControl => ({
  named: new Map(Object.entries(named) as [PamValue, PamAction][]),
  otherwise,
})

const words: ReadonlyMap<string, PamControl> = new Map([
  ['required', control('bad', { success: 'ok', new_authtok_reqd: 'ok', ignore: 'ignore' })],
  ['requisite', control('die', { success: 'ok', new_authtok_reqd: 'ok', ignore: 'ignore' })],
  ['optional', control('ignore', { success: 'ok', new_authtok_reqd: 'ok' })],
  ['sufficient', control('ignore', { success: 'done', new_authtok_reqd: 'done' })],
])

/** What PAM makes of a control that it cannot read: whatever the module says is a refusal. */
const unreadable = control('bad', {})

export const actionOf = ({ named, otherwise }: PamControl, value: PamValue): PamAction => named.get(value) ?? otherwise

/** One of the four words in any letter case, or `[value=action …]`; what PAM cannot read refuses. */
export function parsePamControl(text: string): PamControl {
  const inside = /^\[(.*)\]$/s.exec(text)?.[1]
  return inside === undefined ? (words.get(text.toLowerCase()) ?? unreadable) : parsePairs(inside)
}

// Nothing need stand between two pairs: libpam looks whether a known word comes next.
const pair = new RegExp(`\\s*(default|${pamValues.join('|')})\\s*=\\s*(ok|done|bad|die|ignore|reset|\\d+)`, 'y')

function parsePairs(text: string): PamControl {
  const named = new Map<PamValue, PamAction>()
  let otherwise: PamAction | undefined
  for (let at = 0; text.slice(at).trim() !== ''; at = pair.lastIndex) {
    pair.lastIndex = at
    const [whole, value = '', word = ''] = pair.exec(text) ?? []
    const action = actionFrom(word)
    if (whole === undefined || action === undefined) return unreadable
    if (value === 'default') otherwise ??= action
    else named.set(value as PamValue, action)
  }
  return { named, otherwise: otherwise ?? 'bad' }
}

/** A jump over no line is one that libpam cannot read. */
function actionFrom(word: string): PamAction | undefined {
  switch (word) {
    case 'ok':
    case 'done':
    case 'bad':
    case 'die':
    case 'ignore':
    case 'reset':
      return word
  }
  return Number(word) > 0 ? Number(word) : undefined
}

/** The text that parses to this control. */
export function formatPamControl({ named, otherwise }: PamControl): string {
  return `[${[...named].map(([value, action]) => `${value}=${action} `).join('')}default=${otherwise}]`
}
