// The text above a PAM prompt over ssh. pam_exec(8) hands each line on as a message of its own, and sshd of OpenSSH 10
// ends a login when more than 32 of them (PAM_MAX_NUM_MSG) come before the answer: "too many query messages".
import { isSsh } from './pam-service.ts'
import type { Parts } from './world.ts'

/** What is left of 32 for the prompt, for a refusal before, and for other lines of the stack. */
const mostLines = 27

/** sshd is more than one program since OpenSSH 9.8; where the distributions put this one. */
const sessionPrograms = ['/usr/lib/openssh', '/usr/libexec/openssh', '/usr/lib/ssh', '/usr/libexec'] as const

/** How many lines may stand above the prompt of this service. */
export const linesAllowed = ({ files }: Parts<'files'>, service: string): number =>
  isSsh(service) && sessionPrograms.some((folder) => files.stat(`${folder}/sshd-session`) !== undefined)
    ? mostLines
    : Number.POSITIVE_INFINITY
