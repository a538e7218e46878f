// The QR code of an address, for terminals.
import { renderUnicodeCompact } from 'uqr'

/** In capitals, which a QR code holds in fewer cells; addresses here mean the same in both. */
export const qrCode = (url: string): string => renderUnicodeCompact(url.toUpperCase(), { ecc: 'L', border: 2 })
