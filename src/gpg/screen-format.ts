// What the person reads above the prompt. pam_exec and sshd pass plain text on: no colours, no links.
import { countLines } from '../base/text.ts'
import type { Config } from '../config/load.ts'

const widest = 80

/** The first line stands behind "(user@host) " in OpenSSH's client, so it is a sentence. */
export async function formatScreen(
  armored: string,
  config: Pick<Config, 'gpg_qr' | 'gpg_timeout'>,
  { page, most = Number.POSITIVE_INFINITY }: Around = {},
): Promise<string> {
  const screen = (message: string, picture: string | undefined): string =>
    [
      'Decrypt this message with your OpenPGP key, and type the code that is in it.',
      message.trimEnd(),
      ...(picture === undefined ? [] : ['', picture]),
      ...(page === undefined ? [] : [page]),
      `You have one try and ${duration(config.gpg_timeout)}. What you type is not shown.`,
      '',
    ].join('\n')
  const whole = screen(armored, config.gpg_qr ? await drawQr(armored) : undefined)
  if (countLines(whole) <= most) return whole
  const plain = screen(armored, undefined)
  const surplus = countLines(plain) - most
  return surplus <= 0 ? plain : screen(withFewerLines(armored, countLines(armored) - surplus), undefined)
}

/** `page`: what is said about the page in a browser. `most`: how many lines there may be. */
type Around = { readonly page?: string | undefined; readonly most?: number }

/** The same message in longer lines, which RFC 9580 §6.2 advises against and every program reads. */
function withFewerLines(armored: string, lines: number): string {
  const all = armored.trimEnd().split('\n')
  const begin = all.indexOf('') + 1
  const body = all.slice(begin, -1).join('')
  const width = 4 * Math.ceil(body.length / 4 / Math.max(1, lines - begin - 1))
  const longer = body.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
  return [...all.slice(0, begin), ...longer, all.at(-1)].join('\n')
}

const duration = (seconds: number): string =>
  seconds % 60 === 0 ? `${seconds / 60} minute${seconds === 60 ? '' : 's'}` : `${seconds} seconds`

/** Half blocks of Unicode; undefined where it is wider than a terminal. */
export async function drawQr(text: string): Promise<string | undefined> {
  // The largest code (version 40-L) holds so many bytes.
  if (text.length > 2953) return undefined
  const { qrCode } = await import('../base/qr-code.ts')
  return qrCode(text, widest, 1).trimEnd() || undefined
}
