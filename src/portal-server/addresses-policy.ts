// Addresses of people: which network one belongs to, and whether two are near each other.

/** The network that an approval is bound to: an IPv4 address, the /64 of an IPv6 address. Undefined: no address. */
export function networkOf(address: string): string | undefined {
  const v4 = parseV4(address)
  if (v4 !== undefined) return v4.join('.')
  const v6 = parseV6(address)
  if (v6 === undefined) return undefined
  // ::ffff:a.b.c.d is an IPv4 address in the clothes of the other family.
  if (v6.slice(0, 5).every((part) => part === 0) && v6[5] === 0xffff)
    return [v6[6]! >> 8, v6[6]! & 255, v6[7]! >> 8, v6[7]! & 255].join('.')
  return `${v6
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`
}

export type Nearness = 'same' | 'other' | 'unknown'

/** Whether a browser and an ssh client seem to be at the same place: the same /24 or /64. */
export function nearness(one: string, other: string): Nearness {
  const [a, b] = [networkOf(one), networkOf(other)]
  if (a === undefined || b === undefined || a.includes(':') !== b.includes(':')) return 'unknown'
  return a.includes(':') || a.startsWith('127.') ? like(a === b) : like(prefix(a) === prefix(b))
}

const like = (same: boolean): Nearness => (same ? 'same' : 'other')
const prefix = (v4: string): string => v4.slice(0, v4.lastIndexOf('.'))

function parseV4(text: string): readonly number[] | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number)
  return parts?.every((part) => part < 256) ? parts : undefined
}

/** RFC 4291 §2.2; a zone (%eth0) is left out. */
function parseV6(text: string): readonly number[] | undefined {
  const plain = text.replace(/%[\w.-]{1,32}$/, '')
  if (plain.length > 45 || !/^[\da-fA-F:.]+$/.test(plain) || !plain.includes(':')) return undefined
  const last = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  const v4 = last ? parseV4(last[2]!) : undefined
  if (last && v4 === undefined) return undefined
  const whole = last && v4 ? `${last[1]}${hex(v4[0]!, v4[1]!)}:${hex(v4[2]!, v4[3]!)}` : plain
  const halves = whole.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':'))) as [string[], string[]?]
  const missing = 8 - head.length - (tail?.length ?? 0)
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const parts = [...head, ...Array.from({ length: tail ? missing : 0 }, () => '0'), ...(tail ?? [])]
  return parts.every((part) => /^[\da-fA-F]{1,4}$/.test(part))
    ? parts.map((part) => Number.parseInt(part, 16))
    : undefined
}

const hex = (high: number, low: number): string => (high * 256 + low).toString(16)
