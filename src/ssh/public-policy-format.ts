// The public part of the configuration: sshd runs `ob keys` and `ob principals` as a user who cannot read
// openbastion.conf, so root leaves this file for them. It holds no secret, and root's phases check everything again.

export type PublicPolicy = {
  readonly keys: {
    readonly enabled: boolean
    readonly allowedTypes: readonly string[]
    readonly minRsaBits: number
    readonly minEcdsaBits: number
  }
  /** Seconds; 0 means that any age will do. */
  readonly krlMaxAge: number
}

export const formatPublicPolicy = ({ keys, krlMaxAge }: PublicPolicy): string => {
  const { enabled, allowedTypes, minRsaBits, minEcdsaBits } = keys
  return `${JSON.stringify({ version: 1, enabled, allowedTypes, minRsaBits, minEcdsaBits, krlMaxAge })}\n`
}

const isWhole = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0

function read(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function parsePublicPolicy(text: string): PublicPolicy | undefined {
  const value = read(text)
  if (typeof value !== 'object' || value === null) return undefined
  const { version, enabled, allowedTypes, minRsaBits, minEcdsaBits, krlMaxAge } = value as Record<string, unknown>
  if (version !== 1 || typeof enabled !== 'boolean' || !Array.isArray(allowedTypes)) return undefined
  if (!isWhole(minRsaBits) || !isWhole(minEcdsaBits) || !isWhole(krlMaxAge)) return undefined
  if (!allowedTypes.every((type): type is string => typeof type === 'string')) return undefined
  return { keys: { enabled, allowedTypes, minRsaBits, minEcdsaBits }, krlMaxAge }
}
