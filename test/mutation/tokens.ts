// TypeScript cut into tokens, as far as planting faults needs it: a comparison inside a string or a pattern is none.

export type Token = {
  readonly kind: 'name' | 'number' | 'string' | 'pattern' | 'template' | 'sign'
  readonly text: string
  readonly at: number
}

const shapes: readonly (readonly [Token['kind'] | 'skipped', RegExp])[] = [
  ['skipped', /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\//y],
  ['string', /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/y],
  ['name', /[\p{L}_$][\p{L}\d_$]*/uy],
  ['number', /0[xb][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?n?/y],
  ['pattern', /\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y],
  ['sign', /\.\.\.|=>|===|!==|\*\*|\?\?=|\|\|=|&&=|<=|>>>|>>|<<|>=|&&|\|\||\?\?|\?\.|\+\+|--|[+\-*/%&|^]=|[^\s]/y],
]

/** A slash after one of these divides. */
const endsExpression = ({ kind, text }: Token): boolean =>
  kind === 'sign' ? /^[)\]}]$/.test(text) : kind !== 'name' || !/^(?:return|typeof|case|in|of)$/.test(text)

/**
 * The tokens of a text. What stands in `${}` of a template is cut as well; the rest of the template is one token a
 * part.
 */
export function tokens(text: string, from = 0, to = text.length): readonly Token[] {
  const found: Token[] = []
  let at = from
  while (at < to) {
    if (text[at] === '`') {
      const { parts, end } = template(text, at)
      found.push(...parts)
      at = end
      continue
    }
    const [kind, word] = match(text, at, found.at(-1))
    if (kind !== 'skipped') found.push({ kind, text: word, at })
    at += word.length
  }
  return found
}

function match(text: string, at: number, before: Token | undefined): readonly [Token['kind'] | 'skipped', string] {
  for (const [kind, shape] of shapes) {
    if (kind === 'pattern' && before && endsExpression(before)) continue
    shape.lastIndex = at
    const word = shape.exec(text)?.[0]
    if (word !== undefined) return [kind, word]
  }
  throw new Error(`no token at ${at}: ${text.slice(at, at + 20)}`)
}

function template(text: string, start: number): { readonly parts: readonly Token[]; readonly end: number } {
  const parts: Token[] = []
  let [at, since] = [start + 1, start]
  for (; text[at] !== '`'; at++) {
    if (text[at] === '\\') at++
    else if (text.startsWith('${', at)) {
      parts.push({ kind: 'template', text: text.slice(since, at + 2), at: since })
      const end = closing(text, at + 2)
      parts.push(...tokens(text, at + 2, end))
      ;[at, since] = [end, end]
    }
  }
  parts.push({ kind: 'template', text: text.slice(since, at + 1), at: since })
  return { parts, end: at + 1 }
}

/** Where the brace is closed that was opened just before. */
function closing(text: string, from: number): number {
  let depth = 1
  for (let at = from; ; at++) {
    if (text[at] === '{') depth++
    else if (text[at] === '}' && --depth === 0) return at
    else if (text[at] === '`') at = template(text, at).end - 1
    else if (text[at] === "'") while (text[++at] !== "'") if (text[at] === '\\') at++
  }
}
