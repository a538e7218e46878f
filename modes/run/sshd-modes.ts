// The modes that sshd runs. They have a list of their own, because a short list is found 0.1 ms sooner.
import type { ReadingEntry } from './mode.ts'

export const sshdModes: ReadonlyMap<string, ReadingEntry> = new Map<string, ReadingEntry>([
  [
    'keys',
    {
      caller: 'sshd',
      summary: 'print the authorized keys of a user, for AuthorizedKeysCommand',
      deadlineSeconds: 5,
      load: () => import('../sshd/keys.ts'),
    },
  ],
  [
    'ca-keys',
    {
      caller: 'sshd',
      summary: 'print the offered key, bound to ob ca sign, for the AuthorizedKeysCommand of the certificate authority',
      deadlineSeconds: 5,
      load: () => import('../sshd/ca-keys.ts'),
    },
  ],
  [
    'principals',
    {
      caller: 'sshd',
      summary: 'print the principal of a user whose certificate names them, for AuthorizedPrincipalsCommand',
      deadlineSeconds: 5,
      load: () => import('../sshd/principals.ts'),
    },
  ],
])
