// authorized_keys lines (sshd(8), AUTHORIZED_KEYS FILE FORMAT). sshd follows our output as its policy,
// so nothing in a value may end the value, the option or the line.
import { Fault } from '../base/fault.ts'
import { type Problem, type PublicKey, parsePublicKeyLine } from './wire.ts'

/** `restrict` is a flag, `['principals', 'alice']` has a value. */
export type KeyOption = string | readonly [name: string, value: string]

export type AuthorizedKeysLine =
  | { readonly kind: 'key'; readonly options?: string; readonly key: PublicKey; readonly comment: string }
  | { readonly kind: 'comment' }
  | { readonly kind: 'blank' }
  | { readonly kind: 'problem'; readonly problem: string }

// As sshkey_advance_past_options: to the first blank outside quotes; \" does not end a quote.
function optionsEnd(line: string): number | undefined {
  let isQuoted = false
  let at = 0
  for (; at < line.length && (isQuoted || (line[at] !== ' ' && line[at] !== '\t')); at++) {
    if (line[at] === '\\' && line[at + 1] === '"') at++
    else if (line[at] === '"') isQuoted = !isQuoted
  }
  return isQuoted || at >= line.length ? undefined : at
}

/** One line without its newline. */
export function parseAuthorizedKeysLine(line: string): AuthorizedKeysLine {
  if (/[\n\r\0]/.test(line)) return { kind: 'problem', problem: 'a line break or zero byte inside the line' }
  const text = line.replace(/^[ \t]+/, '')
  if (text === '') return { kind: 'blank' }
  if (text.startsWith('#')) return { kind: 'comment' }
  const bare = parsePublicKeyLine(text)
  if (!('problem' in bare)) return { kind: 'key', ...bare }
  const end = optionsEnd(text)
  if (end === undefined) return { kind: 'problem', problem: bare.problem }
  const options = text.slice(0, end)
  const parsed = parsePublicKeyLine(text.slice(end).replace(/^[ \t]+/, ''))
  if ('problem' in parsed) return { kind: 'problem', problem: parsed.problem }
  const list = parseKeyOptions(options)
  return 'problem' in list ? { kind: 'problem', ...list } : { kind: 'key', options, ...parsed }
}

/** The single options of an option text: names in lower case, as sshd compares them; values without their quotes. */
export function parseKeyOptions(text: string): readonly KeyOption[] | Problem {
  const options: KeyOption[] = []
  const one = /([A-Za-z0-9-]+)(?:="((?:[^"\\]|\\"|\\(?!"))*)")?(,(?=.)|$)/suy
  while (one.lastIndex < text.length) {
    const match = one.exec(text)
    if (match === null) return { problem: 'an option is not a name or name="value"' }
    const [, written = '', value] = match
    const name = written.toLowerCase()
    options.push(value === undefined ? name : [name, value.replaceAll('\\"', '"')])
  }
  return options
}

function formatOption(option: KeyOption): string {
  const [name, value] = typeof option === 'string' ? [option, undefined] : option
  if (!/^[a-z][a-z0-9-]*$/.test(name)) throw new Fault('an authorized_keys option has an impossible name')
  if (value === undefined) return name
  // sshd knows one escape, \" : a backslash at the end would eat the closing quote, and nothing can protect it.
  if (value.endsWith('\\') || /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(value) || !value.isWellFormed()) {
    throw new Fault(`the value of the authorized_keys option ${name} cannot be written safely`)
  }
  return `${name}="${value.replaceAll('"', '\\"')}"`
}

/** One line without newline; a value that could end the option or the line is a Fault. */
export function formatAuthorizedKeysLine(
  options: readonly KeyOption[],
  key: { readonly type: string; readonly base64: string },
): string {
  const line = `${key.type} ${key.base64}`
  if (/[\s#]/.test(key.type) || /\s/.test(key.base64) || 'problem' in parsePublicKeyLine(line)) {
    throw new Fault('a key for an authorized_keys line is no key')
  }
  return options.length === 0 ? line : `${options.map(formatOption).join(',')} ${line}`
}
