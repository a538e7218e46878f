// Faults that a programmer could make, one at a time: what a text could be by mistake.
import { type Token, tokens } from './tokens.ts'

export type Mutant = {
  /** Line number, from 1. */
  readonly line: number
  /** The line before and after, trimmed: what a person reads, and what names the mutant when lines move. */
  readonly before: string
  readonly after: string
  /** The whole text with the fault in it. */
  readonly text: string
}

type Edit = { readonly at: number; readonly length: number; readonly text: string }

const signs: Readonly<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '&&': '||',
  '||': '&&',
  '??': '&&',
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '&': '|',
  '|': '&',
  '<<': '>>',
  '>>': '<<',
  '!': '',
}

const names: Readonly<Record<string, string>> = {
  true: 'false',
  false: 'true',
  some: 'every',
  every: 'some',
  min: 'max',
  max: 'min',
  startsWith: 'endsWith',
  endsWith: 'startsWith',
  continue: 'break',
}

/** Calls without an argument that may be forgotten. */
const forgettable = /\.(?:trim|toLowerCase|toUpperCase|toSorted|sort|toReversed|reverse|trimEnd|flat)\(\)/g

/** A statement of one line that only does something. */
const statement = /^ +(?:await )?[\w.]+\((?:[^{}]|\{[^{}]*\})*\)$/gm

const edit = (token: Token, text: string): Edit => ({ at: token.at, length: token.text.length, text })

function ofToken(token: Token): readonly Edit[] {
  const { kind, text } = token
  switch (kind) {
    case 'sign':
      return Object.hasOwn(signs, text) ? [edit(token, signs[text]!)] : []
    case 'name':
      return Object.hasOwn(names, text) ? [edit(token, names[text]!)] : []
    case 'number':
      return /^\d+$/.test(text.replaceAll('_', '')) ? [edit(token, String(Number(text.replaceAll('_', '')) + 1))] : []
    case 'string':
      return [edit(token, text.length === 2 ? "'mutant'" : "''")]
    case 'pattern':
      return ofPattern(text).map((changed) => edit(token, changed))
    case 'template':
      return []
  }
}

function ofPattern(text: string): readonly string[] {
  const changed = [text.replace('/^', '/'), text.replace(/\$\/([a-z]*)$/, '/$1'), text.replace(/(?<=[\w\])])\+/, '*')]
  changed.push(text.replace(/(?<=[\w\])])\*/, '+'), text.replace('[^', '['), text.replace(/(?<=[\w\])])\?(?!:)/, ''))
  return [...new Set(changed)].filter((one) => one !== text && !one.startsWith('//'))
}

/** `if (…)` that always or never holds. */
function ofConditions(list: readonly Token[], text: string): readonly Edit[] {
  return list
    .flatMap((token, index) => {
      if (token.kind !== 'name' || token.text !== 'if' || list[index + 1]?.text !== '(') return []
      let depth = 0
      const end = list.slice(index + 1).find((one) => {
        if (one.kind === 'sign' && one.text === '(') depth++
        return one.kind === 'sign' && one.text === ')' && --depth === 0
      })
      if (!end) return []
      const at = list[index + 1]!.at + 1
      return ['true', 'false'].map((always) => ({ at, length: end.at - at, text: always }))
    })
    .filter(({ at, length }) => text.slice(at, at + length) !== '')
}

const ofPlaces = (text: string, shape: RegExp): readonly Edit[] =>
  [...text.matchAll(shape)].map(({ 0: found, index }) => ({ at: index, length: found.length, text: '' }))

/** An import is no behaviour; neither is what the compiler takes away. */
const isBehaviour = (text: string, { at }: Edit): boolean => !/^(?:import|export .* from)\b/.test(lineAt(text, at))

function lineAt(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const end = text.indexOf('\n', at)
  return text.slice(start, end === -1 ? text.length : end)
}

const compiler = new Bun.Transpiler({ loader: 'ts' })

function compiled(text: string): string | undefined {
  try {
    return compiler.transformSync(text)
  } catch {
    return undefined
  }
}

/** Every fault of a file that the compiler lets through and that changes what it makes of the file. */
export function mutantsOf(text: string): readonly Mutant[] {
  const list = tokens(text)
  const edits = [...list.flatMap(ofToken), ...ofConditions(list, text)]
  edits.push(...ofPlaces(text, forgettable), ...ofPlaces(text, statement))
  const whole = compiled(text)
  return edits
    .filter((one) => isBehaviour(text, one))
    .flatMap((one) => {
      const changed = text.slice(0, one.at) + one.text + text.slice(one.at + one.length)
      const result = compiled(changed)
      if (result === undefined || result === whole) return []
      const line = text.slice(0, one.at).split('\n').length
      const before = lineAt(text, one.at)
      const start = text.lastIndexOf('\n', one.at - 1) + 1
      const after = before.slice(0, one.at - start) + one.text + text.slice(one.at + one.length).split('\n')[0]
      return [{ line, before: before.trim(), after: after.trim(), text: changed }]
    })
}
