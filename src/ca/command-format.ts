// What a person may write after `ssh ca@host`: the command, as sshd hands it over in SSH_ORIGINAL_COMMAND.
import { Secret } from '../base/secret.ts'

const words = ['show', 'login', 'host', 'help'] as const

export type CaCommand =
  | { readonly kind: 'token'; readonly token: Secret }
  | { readonly kind: (typeof words)[number] }
  | { readonly kind: 'malformed'; readonly problem: string }

/** RFC 6750 §2.1: what a token may consist of. */
const token = /^[A-Za-z0-9._~+/-]+=*$/
const longest = 4096

export function parseCaCommand(text: string | undefined): CaCommand {
  if (text === undefined || text === '') return { kind: 'help' }
  if (text.length > longest) return { kind: 'malformed', problem: 'the command is too long' }
  const [word, argument, ...more] = text.trim().split(/ +/)
  const plain = words.find((one) => one === word)
  if (plain !== undefined && argument === undefined) return { kind: plain }
  if (word !== 'token') return { kind: 'malformed', problem: 'the command is not token, show, login or help' }
  if (argument === undefined) return { kind: 'malformed', problem: 'the token is missing' }
  if (more.length > 0) return { kind: 'malformed', problem: 'there is something after the token' }
  if (argument.length > 2048 || !token.test(argument))
    return { kind: 'malformed', problem: 'the token has characters that no token has' }
  return { kind: 'token', token: new Secret(argument) }
}

export const formatCaCommand = (command: CaCommand): string =>
  command.kind === 'token' ? `token ${command.token.expose()}` : command.kind === 'help' ? '' : command.kind
