// The difference between two texts as people read it (diff -u), without a program.

type Line = { readonly sign: ' ' | '-' | '+'; readonly text: string }

const context = 2
/** Lines of a comment that is shown whole. */
const longestComment = 3

/** Lines of a unified diff, or of a new file, without its long comments. Values of secrets are not shown. */
export function formatDiff(path: string, before: string | undefined, after: string): string {
  const lines = compare(linesOf(before ?? ''), linesOf(after)).map(({ sign, text }) => `${sign}${hideSecret(text)}`)
  const shown = before === undefined ? withoutLongComments(lines) : nearChanges(lines)
  return [`--- ${before === undefined ? '/dev/null' : path}`, `+++ ${path}`, ...shown, ''].join('\n')
}

/** What counts must not scroll away behind what only explains: of a long comment the first line is shown. */
function withoutLongComments(lines: readonly string[]): readonly string[] {
  // In sudoers #include is no comment.
  const isComment = (line: string | undefined): boolean => line !== undefined && /^\+\s*(#(?!include).*)?$/.test(line)
  const shown: string[] = []
  for (let at = 0; at < lines.length; ) {
    let end = at
    while (isComment(lines[end])) end++
    const isLong = end - at > longestComment
    shown.push(...lines.slice(at, isLong ? at + 1 : Math.max(end, at + 1)))
    if (isLong) shown.push(`… ${end - at - 1} more lines of comment`)
    at = Math.max(end, at + 1)
  }
  return shown
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
