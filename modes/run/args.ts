// Arguments of the modes that people type. citty parses them; unknown options and surplus words are refused here,
// because citty accepts both.
import { type ArgsDef, parseArgs } from 'citty'
import { terminalColumns } from '../world/system.ts'
import type { Described, Ending } from './mode.ts'
import { usage } from './mode.ts'
import { formatUsage } from './usage-text.ts'

/** The arguments of a mode: citty's description, and the number of words besides the options. */
export type Syntax<A extends ArgsDef> = {
  readonly name: string
  readonly summary: string
  readonly args: A
  /** Words after the named ones are taken too, in `_`. */
  readonly rest?: boolean
}

export type Parsed<A extends ArgsDef> = ReturnType<typeof parseArgs<A>>

const help = new Set(['-h', '--help'])

/** The parsed arguments, or an ending: the usage text that was asked for, or the problem. */
export async function parse<A extends ArgsDef>(
  syntax: Syntax<A>,
  args: readonly string[],
): Promise<{ readonly parsed: Parsed<A> } | { readonly ending: Ending }> {
  if (args.some((arg) => help.has(arg))) return { ending: usageText(syntax) }
  try {
    const parsed = parseArgs<A>([...args], syntax.args)
    const problem = valuedSwitch(syntax, args) ?? unknownOption(syntax, parsed) ?? surplus(syntax, parsed)
    return problem === undefined ? { parsed } : { ending: usage(`${problem}; ob ${syntax.name} --help explains`) }
  } catch (error) {
    const text = error instanceof Error ? error.message : 'wrong arguments'
    return { ending: usage(`${plain(text)}; ob ${syntax.name} --help explains`) }
  }
}

function usageText<A extends ArgsDef>({ name, summary, args }: Syntax<A>): Ending {
  const text = formatUsage({ name, summary, args: args as Described['args'] }, terminalColumns())
  return { kind: 'outcome', outcome: { kind: 'allowed', reason: 'done' }, text }
}

function unknownOption<A extends ArgsDef>({ args }: Syntax<A>, parsed: Parsed<A>): string | undefined {
  const known = new Set(Object.entries(args).flatMap(([name, about]) => [name, ...aliasesOf(about)]))
  const name = Object.keys(parsed).find((key) => key !== '_' && !known.has(key) && !known.has(dashed(key)))
  return name === undefined ? undefined : `unknown option --${name}`
}

/**
 * A switch that was given a value: citty takes every value but "false" for yes, and `--json=maybe` would do what nobody
 * meant. The second spelling of the name is citty's own.
 */
function valuedSwitch<A extends ArgsDef>({ args: known }: Syntax<A>, args: readonly string[]): string | undefined {
  const end = args.indexOf('--')
  const options = args.slice(0, end === -1 ? args.length : end)
  const given = options.flatMap((arg) => /^--?([^=]+)=/.exec(arg)?.[1] ?? [])
  const switches = Object.entries(known).filter(([, { type }]) => type === 'boolean')
  const names = new Set(switches.flatMap(([name, about]) => [name, ...aliasesOf(about)]))
  const name = given.find((one) => names.has(one) || names.has(dashed(one)))
  return name === undefined ? undefined : `--${dashed(name)} takes no value`
}

const dashed = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

function aliasesOf(about: ArgsDef[string]): readonly string[] {
  if (!('alias' in about) || about.alias === undefined) return []
  return typeof about.alias === 'string' ? [about.alias] : about.alias
}

function surplus<A extends ArgsDef>({ args, rest }: Syntax<A>, parsed: Parsed<A>): string | undefined {
  if (rest) return undefined
  const places = Object.values(args).filter((about) => about.type === 'positional').length
  const extra = parsed._[places]
  return extra === undefined ? undefined : `unexpected "${extra.slice(0, 40)}"`
}

/** Without the colours that citty always adds. */
const plain = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, '')
