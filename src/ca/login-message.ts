// `ssh ca@host login`: where a token is to be had. Nothing waits for the person who opens the address: a link that
// somebody else started must never end in a certificate for you, so only the token itself, typed here, does.
import { qrCode } from '../base/qr-code.ts'

export const loginMessage = (
  portalUrl: string,
  authority: string,
): string => `Open ${portalUrl}/pam and log in, or scan this:

${qrCode(`${portalUrl}/pam`, 80)}
The page shows a one-time token. Then:

  ssh ca@${authority} token TOKEN > ~/.ssh/id_ed25519-cert.pub`
