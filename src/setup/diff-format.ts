// The difference between two texts as people read it (diff -u), without a program.

type Line = { readonly sign: ' ' | '-' | '+'; readonly text: string }

const context = 2

/** Lines of a unified diff, or of the whole new file. Values of secrets are not shown. */
export function formatDiff(path: string, before: string | undefined, after: string): string {
  const lines = compare(linesOf(before ?? ''), linesOf(after)).map(({ sign, text }) => `${sign}${hideSecret(text)}`)
  const shown = before === undefined ? lines : nearChanges(lines)
  return [`--- ${before === undefined ? '/dev/null' : path}`, `+++ ${path}`, ...shown, ''].join('\n')
}

const linesOf = (text: string): readonly string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))

/** A value after a key that names a secret never reaches a terminal. */
const hideSecret = (line: string): string =>
  line.replace(/^(\s*#?\s*[a-z_]*secret[a-z_]*\s*=\s*)(?!sealed:)\S.*$/, '$1[secret]')

/** Longest common subsequence; configuration files are short. */
function compare(before: readonly string[], after: readonly string[]): readonly Line[] {
  const lengths = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1))
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      lengths[i]![j] =
        before[i] === after[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!)
  const lines: Line[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ sign: ' ', text: before[i]! })
      i++
      j++
    } else if (i < before.length && (j === after.length || lengths[i + 1]![j]! >= lengths[i]![j + 1]!))
      lines.push({ sign: '-', text: before[i++]! })
    else lines.push({ sign: '+', text: after[j++]! })
  }
  return lines
}

/** Changed lines with a little of what is around them. */
function nearChanges(lines: readonly string[]): readonly string[] {
  const isNear = (at: number): boolean =>
    lines.slice(Math.max(0, at - context), at + context + 1).some((line) => !line.startsWith(' '))
  return lines.flatMap((line, at) => {
    if (isNear(at)) return [line]
    return at > 0 && isNear(at - 1) ? ['…'] : []
  })
}
