// A PAM service file (pam.d(5)), as far as judging it needs.

export type PamLine = {
  readonly number: number
  readonly type: 'auth' | 'account' | 'session' | 'password'
  /** `required`, or the inside of `[…]`. */
  readonly control: string
  readonly module: string
  readonly args: readonly string[]
}

export type PamInclude = { readonly number: number; readonly file: string }

export type PamFile = { readonly lines: readonly (PamLine | PamInclude)[] }

const pattern = /^-?(auth|account|session|password)\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)$/i

/** Comments and what cannot be read are left out; a backslash at the end joins lines. */
export function parsePamFile(text: string): PamFile {
  const lines: (PamLine | PamInclude)[] = []
  for (const { number, line } of joined(text)) {
    const include = /^@include\s+(\S+)$/.exec(line) ?? /^-?\w+\s+(?:include|substack)\s+(\S+)$/.exec(line)
    if (include) lines.push({ number, file: include[1]! })
    const match = include ? null : pattern.exec(line)
    if (!match) continue
    const [, type, control, module, args] = match
    lines.push({
      number,
      type: type!.toLowerCase() as PamLine['type'],
      control: control!.replace(/^\[|\]$/g, '').trim(),
      module: module!.slice(module!.lastIndexOf('/') + 1),
      args: args!.split(/\s+/).filter((arg) => arg !== ''),
    })
  }
  return { lines }
}

function joined(text: string): readonly { readonly number: number; readonly line: string }[] {
  const whole: { number: number; line: string }[] = []
  let open: { number: number; line: string } | undefined
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.replace(/(^|\s)#.*$/, '').trimEnd()
    const part = line.endsWith('\\') ? `${line.slice(0, -1)} ` : line
    open = open ? { number: open.number, line: open.line + part.trimStart() } : { number: i + 1, line: part.trim() }
    if (line.endsWith('\\')) continue
    if (open.line !== '') whole.push(open)
    open = undefined
  }
  return whole
}
