// What ob help and --help print: names on the left, and lines that fit the terminal of the person who reads them.
import { wrap } from '../../src/base/text.ts'
import type { Described, DescribedArgument, ModeEntry } from './mode.ts'

export type Row = readonly [label: string, text: string]

/** A label that is wider than this has a line of its own. */
const widestLabel = 24
/** Below so many columns the text stands under its label. */
const narrow = 60

/** One row for each label: beside it, or on a narrow terminal below it, the text in lines of at most `columns`. */
export function formatRows(rows: readonly Row[], columns: number): readonly string[] {
  const fitting = rows.map(([label]) => label.length).filter((length) => length <= widestLabel)
  const width = Math.max(...fitting, 0)
  const indent = columns < narrow ? 6 : width + 4
  return rows.flatMap(([label, text]) => {
    const lines = wrap(text, columns - indent).map((line) => `${' '.repeat(indent)}${line}`)
    if (columns < narrow || label.length > width) return [`  ${label}`, ...lines]
    const [first = '', ...rest] = lines
    return [`  ${label.padEnd(width)}  ${first.trimStart()}`, ...rest]
  })
}

/** The usage of one mode. Its summary begins with a capital letter and ends with a full stop. */
export function formatUsage({ name, summary, args }: Described & { readonly name: string }, columns: number): string {
  const entries = Object.entries(args)
  const words = entries.filter(([, { type }]) => type === 'positional')
  const options = entries.filter(([, { type }]) => type !== 'positional')
  const shown = ['ob', name, ...words.map(([word, about]) => wordOf(word, about))]
  const usage = [...shown, ...(options.length > 0 ? ['[OPTIONS]'] : [])].join(' ')
  const rows = (list: typeof entries, label: (name: string, about: DescribedArgument) => string) =>
    list.length === 0
      ? []
      : [
          '',
          ...formatRows(
            list.map(([key, about]) => [label(key, about), textOf(about)]),
            columns,
          ),
        ]
  const lines = [
    ...wrap(`usage: ${usage}`, columns).map((line, at) => (at === 0 ? line : `       ${line}`)),
    '',
    ...wrap(summary, columns),
    ...rows(words, (key) => key.toUpperCase()),
    ...rows(options, optionOf),
  ]
  return `${lines.join('\n')}\n`
}

/** The modes that people type, and below them those that other programs run. */
export function formatModes(modes: ReadonlyMap<string, ModeEntry>, columns: number): string {
  const rows = (isHelper: boolean): readonly string[] =>
    formatRows(
      [...modes]
        .filter(([, entry]) => isRunByPrograms(entry) === isHelper)
        .map(([name, { summary }]) => [name, summary]),
      columns,
    )
  const lines = [
    'ob: single sign-on for ssh and sudo',
    '',
    'usage: ob MODE [ARGUMENTS]',
    '       ob help MODE    explains one mode',
    '',
    ...rows(false),
    '',
    ...wrap('Other programs run these; nobody types them:', columns),
    '',
    ...rows(true),
    '',
    ...wrap('Without a mode, with PAM_TYPE in the environment, ob is what pam_exec(8) runs.', columns),
  ]
  return `${lines.join('\n')}\n`
}

export const isRunByPrograms = ({ caller, isHelper }: ModeEntry): boolean => caller === 'sshd' || isHelper === true

const wordOf = (name: string, { required = true }: DescribedArgument): string =>
  required ? name.toUpperCase() : `[${name.toUpperCase()}]`

const optionOf = (name: string, about: DescribedArgument): string =>
  about.type === 'boolean' ? `--${name}` : `--${name} ${placeholderOf(name, about)}`

/** What stands for the value of an option: its hint, or the last word of its name. */
export const placeholderOf = (name: string, { valueHint }: DescribedArgument): string =>
  (valueHint ?? name.split('-').at(-1) ?? name).toUpperCase()

const textOf = (about: DescribedArgument): string =>
  typeof about.default === 'string' ? `${about.description} (${about.default} unless told)` : about.description
