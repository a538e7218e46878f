// What the person reads above the prompt. pam_exec and sshd pass plain text on: no colours, no links.
import type { Config } from '../config/load.ts'

const widest = 80

/** The first line stands behind "(user@host) " in OpenSSH's client, so it is a sentence. */
export async function formatScreen(
  armored: string,
  config: Pick<Config, 'gpg_qr' | 'gpg_timeout'>,
  page: string | undefined = undefined,
): Promise<string> {
  const picture = config.gpg_qr ? await drawQr(armored) : undefined
  return [
    'Decrypt this message with your OpenPGP key, and type the code that is in it.',
    armored.trimEnd(),
    ...(picture === undefined ? [] : ['', picture]),
    ...(page === undefined ? [] : [page]),
    `You have one try and ${duration(config.gpg_timeout)}. What you type is not shown.`,
    '',
  ].join('\n')
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
