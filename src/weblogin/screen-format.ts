// What the person sees above the prompt. sshd writes "(user@host) " before the first line, pam_exec ends with its
// "Password: ", and sudo with a prompt of its own. Lines are short, because nobody wraps them but the terminal.

import { qrCode } from '../base/qr-code.ts'
import { countLines } from '../base/text.ts'

/** A terminal of this width shows the QR code whole. */
const columns = 80

/**
 * The address stands last, where it can be copied, and is seen whatever became of the picture: a client without UTF-8
 * prints one as numbers. `most`: how many lines there may be; the picture is left out where there would be more.
 */
export function formatScreen(
  url: string,
  host: string,
  { hasPicture, most = Number.POSITIVE_INFINITY }: { readonly hasPicture: boolean; readonly most?: number },
): string {
  const screen = (picture: string): string =>
    [
      `Log in to ${host} on the web.\n\n`,
      picture,
      'Open this address, log in there,\nand type the code that its page shows:\n\n',
      `${url}\n\n`,
    ].join('')
  const whole = screen(hasPicture ? qrCode(url, columns) : '')
  // The empty line at the end is a message, too.
  return countLines(whole) < most ? whole : screen('')
}

/** A further try on the same connection. */
export const againText = 'The address above is still good.\nType the code that its page shows.\n'
