import { expect, test } from 'bun:test'
import { hasDefaultRoute4, hasDefaultRoute6 } from '../../src/offline/default-route-format.ts'

const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'
const four = (line: string): boolean => hasDefaultRoute4(`${head}${line}\n`)

test.each([
  ['a default route', 'eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0', true],
  ['a network of its own only', 'eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0', false],
  ['a default route that is down', 'eth0\t00000000\t0102A8C0\t0002\t0\t0\t100\t00000000\t0\t0\t0', false],
  ['a reject route', '*\t00000000\t00000000\t0200\t0\t0\t100\t00000000\t0\t0\t0', false],
  ['a default route over the loopback', 'lo\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0', false],
  ['half of everything is not everything', 'tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0', false],
  ['nothing', '', false],
])('IPv4: %s', (_name, line, expected) => {
  expect(four(line)).toBe(expected)
})

const zeros = '0'.repeat(32)
test.each([
  ['a default route', `${zeros} 00 ${zeros} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0`, true],
  ['the reject route that every kernel has', `${zeros} 00 ${zeros} 00 ${zeros} ffffffff 1 0 00200200 lo`, false],
  ['a default route over the loopback', `${zeros} 00 ${zeros} 00 ${zeros} 00000400 1 0 00000001 lo`, false],
  ['a network only', `fd00${'0'.repeat(28)} 40 ${zeros} 00 ${zeros} 00000100 1 0 00000001 eth0`, false],
  ['nothing', '', false],
])('IPv6: %s', (_name, line, expected) => {
  expect(hasDefaultRoute6(`${line}\n`)).toBe(expected)
})
