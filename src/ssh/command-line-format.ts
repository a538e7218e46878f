// One command line with sshd's tokens (sshd_config(5), TOKENS), as AuthorizedKeysCommand takes it: words between
// blanks, no shell, no quoting.
import type { Problem } from './wire.ts'

/** Words whose tokens are not yet replaced; the first is an absolute path without any. */
export type CommandLine = readonly [program: string, ...words: string[]]

const tokens = ['u', 't', 'k', 'f'] as const
export type Tokens = Readonly<Record<(typeof tokens)[number], string>>

/** The only line of the text that is neither empty nor a comment. */
export function parseCommandLine(text: string): CommandLine | Problem {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line))
  const [line] = lines
  if (line === undefined || lines.length > 1) return { problem: 'it must hold exactly one line' }
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line)) return { problem: 'it holds a control character' }
  const [program = '', ...words] = line.trim().split(/[ \t]+/)
  if (!/^(\/[A-Za-z0-9_+.-]+)+$/.test(program) || /\/\.{1,2}(\/|$)/.test(program))
    return { problem: 'the program must be named by its whole path' }
  if (words.some((word) => word.replace(/%[utkf%]/g, '').includes('%')))
    return { problem: 'the tokens are %u %t %k %f and %%' }
  return [program, ...words]
}

export const formatCommandLine = (line: CommandLine): string => `${line.join(' ')}\n`

/** Each word with its tokens replaced: a value can neither make a word nor become a token. */
export const expandTokens = (line: CommandLine, values: Tokens): readonly string[] =>
  line.map((word, at) =>
    at === 0
      ? word
      : word.replace(/%([utkf%])/g, (_, token: string) => (token === '%' ? '%' : values[token as keyof Tokens])),
  )
