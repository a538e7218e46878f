// QR codes: for terminals as half blocks, for a page as a drawing. Import it when one is drawn: the package behind it
// is no small one.
import { renderSVG, renderUnicodeCompact } from 'uqr'

/** The picture with its quiet zone, or nothing where it is wider than the terminal. Light modules are drawn. */
export function qrCode(text: string, columns: number, border = 2): string {
  const picture = renderUnicodeCompact(text, { border })
  return picture.indexOf('\n') <= columns ? `${picture}\n` : ''
}

/** With the quiet zone that the standard asks for (ISO/IEC 18004). */
export const qrDrawing = (text: string): string => renderSVG(text, { border: 4, pixelSize: 6 })
