// The one place that makes texts fit to be read: names, details and answers come from people whom nobody knows, and end
// on root's terminal.

/** C0 and C1 controls, DEL, line separators, and what turns the direction of text round (UAX #9). */
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
/** The same, but for the line breaks and tabs of a text of several lines. */
const unsafeInLines =
  /\r(?!\n)|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** One line, whatever it was; what is taken out is shown as a question mark. */
export const printable = (text: string, instead = '?'): string => text.replace(unsafe, instead)

/** One line, with what would steer a terminal as JSON writes it. */
export const escapeControls = (text: string): string => text.replace(unsafe, escaped)

/** What a mode prints, JSON or text: a string of JSON means the same afterwards. */
export const forTerminal = (text: string): string => text.replace(unsafeInLines, escaped)

/** Lines of at most this width; a word that is longer stands alone. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

/** Lines of at most `columns` characters; all but the first are indented by the length of `first`. A word that is too
 * long stays whole. */
export const hangingLines = (first: string, text: string, columns: number): readonly string[] =>
  wrap(text, columns - first.length).map((line, at) => `${at === 0 ? first : ' '.repeat(first.length)}${line}`)

export { dirname } from './paths.ts'

/** In the largest unit that leaves at least two of it. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 120) return `${whole} s`
  if (whole < 7200) return `${Math.floor(whole / 60)} min`
  return whole < 172_800 ? `${Math.floor(whole / 3600)} h` : `${Math.floor(whole / 86_400)} days`
}

/** Without the empty ones at its end. */
export const countLines = (text: string): number => text.trimEnd().split('\n').length
