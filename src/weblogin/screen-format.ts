// What the person sees above the prompt. sshd writes "(user@host) " before the first line, pam_exec ends with its
// "Password: ", and sudo with a prompt of its own.
import { qrCode } from '../base/qr-code.ts'

/** A terminal of this width shows the QR code whole. */
const columns = 80

/** The address as it is, so that it can be copied, and the same as a picture where it fits. */
export const formatScreen = (url: string, host: string): string =>
  [
    `Log in to ${host} on the web: open this address, and type the code that its page shows then.\n`,
    `${url}\n`,
    qrCode(url, columns),
  ].join('\n')

/** A further try on the same connection. */
export const againText = 'The address above is still good. Type the code that its page shows.\n'
