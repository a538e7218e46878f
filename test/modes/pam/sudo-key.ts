// An Ed25519 key of no secret, as sshd prints it, and its fingerprint.
const blob = Buffer.concat([Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20', 'latin1'), Buffer.alloc(32, 7)])

export const ed25519Line = {
  line: `ssh-ed25519 ${blob.toString('base64')}`,
  fingerprint: `SHA256:${new Bun.CryptoHasher('sha256').update(blob).digest('base64').replace(/=+$/, '')}`,
} as const
