// QR codes for terminals, as half blocks. Import it when one is drawn: the package behind it is no small one.
import { renderUnicodeCompact } from 'uqr'

/** The picture with its quiet zone, or nothing where it is wider than the terminal. Light modules are drawn. */
export function qrCode(text: string, columns: number, border = 2): string {
  const picture = renderUnicodeCompact(text, { border })
  return picture.indexOf('\n') <= columns ? `${picture}\n` : ''
}
