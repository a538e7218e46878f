// Whether this host has a way out: /proc/net/route and /proc/net/ipv6_route (the kernel's own tables).

const up = 0x1
const reject = 0x200

/** A default route over IPv4: destination and mask 0, up, not a reject route, not the loopback. */
export const hasDefaultRoute4 = (text: string): boolean =>
  text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .some(([name, destination, , flags = '0', , , , mask]) => {
      const bits = Number.parseInt(flags, 16)
      return (
        destination === '00000000' && mask === '00000000' && name !== 'lo' && (bits & up) !== 0 && (bits & reject) === 0
      )
    })

/** The same over IPv6: prefix length 0. */
export const hasDefaultRoute6 = (text: string): boolean =>
  text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .some(([destination, length, , , , , , , flags = '0', name]) => {
      const bits = Number.parseInt(flags, 16)
      const everywhere = destination === '0'.repeat(32) && length === '00'
      return everywhere && name !== 'lo' && (bits & up) !== 0 && (bits & reject) === 0
    })
