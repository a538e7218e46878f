// What ob proxy reads: the arguments of ssh and its kin, and the protocol of an ssh-agent.
import { expect, test } from 'bun:test'
import { concat } from '../../src/base/bytes.ts'
import {
  agentFailure,
  formatIdentities,
  formatSigned,
  parseAgentRequest,
  splitAgentMessages,
} from '../../src/bastion/agent-format.ts'
import { findDestination, parseSshArguments, splitPort } from '../../src/bastion/ssh-arguments-format.ts'
import { wireString } from '../../src/ssh/wire.ts'
import { mutations } from '../fakes/mutate.ts'

const rows: readonly (readonly [string, readonly string[], string, readonly string[]])[] = [
  ['host', [], 'host', []],
  ['alice@host uptime -p', [], 'alice@host', ['uptime', '-p']],
  ['host:2222', ['-p', '2222'], 'host', []],
  ['alice@host:2222 x', ['-p', '2222'], 'alice@host', ['x']],
  ['[2001:db8::1]:22', ['-p', '22'], '2001:db8::1', []],
  ['2001:db8::1', [], '2001:db8::1', []],
  ['ssh://a@b:22', [], 'ssh://a@b:22', []],
  ['-t -p 22 host sh', ['-t', '-p', '22'], 'host', ['sh']],
  ['-tp22 host', ['-tp22'], 'host', []],
  ['-vvo BatchMode=yes host', ['-vvo', 'BatchMode=yes'], 'host', []],
  ['host -l bob uptime', ['-l', 'bob'], 'host', ['uptime']],
  ['-l bob -- host -x', ['-l', 'bob'], 'host', ['-x']],
  ['host -- -x', [], 'host', ['-x']],
]
test.each(rows)('ssh %s', (line, options, destination, command) => {
  expect(parseSshArguments(line.split(' '))).toEqual({ options, destination, command })
})

test.each([[''], ['-Z host'], ['-o'], ['-vZ host']])('ssh %p is refused', (line) => {
  expect(parseSshArguments(line.split(' ').filter(Boolean))).toHaveProperty('problem')
})

test.each([
  ['scp', 'one db1:two', 'db1'],
  ['scp', '-P 22 -r alice@db1:one .', 'alice@db1'],
  ['scp', '-o X=a:b one db1:', 'db1'],
  ['scp', 'scp://alice@db1:22/one .', 'alice@db1'],
  ['scp', '[2001:db8::1]:one .', '2001:db8::1'],
  ['sftp', 'db1', 'db1'],
  ['sftp', '-b - alice@db1:dir', 'alice@db1'],
  ['rsync', '-av --delete one/ db1:two/', 'db1'],
  ['rsync', '-av db1:one db1:two there', 'db1'],
] as const)('%s %s goes to %s', (tool, line, destination) => {
  expect(findDestination(tool, line.split(' '))).toBe(destination)
})

test.each([
  ['scp', 'one two'],
  ['scp', 'db1:one db2:two'],
  ['scp', ''],
  ['sftp', ''],
  ['rsync', 'one two'],
  ['rsync', 'db1::module one'],
] as const)('%s %s names no one host', (tool, line) => {
  expect(findDestination(tool, line.split(' ').filter(Boolean))).toHaveProperty('problem')
})

test('a port is one only behind a name or a bracketed address', () => {
  expect(splitPort('a:b')).toEqual({ destination: 'a:b', port: undefined })
  expect(splitPort('::1')).toEqual({ destination: '::1', port: undefined })
  expect(splitPort('u@h:1')).toEqual({ destination: 'u@h', port: '1' })
})

const body = (type: number, ...parts: readonly Uint8Array[]) => concat(Uint8Array.of(type), ...parts)
const flags = Uint8Array.of(0, 0, 0, 0)

test('an agent is asked for its keys and for signatures, and for nothing else', () => {
  expect(parseAgentRequest(body(11))).toEqual({ kind: 'identities' })
  const sign = body(13, wireString('key'), wireString('data'), flags)
  expect(parseAgentRequest(sign)).toMatchObject({ kind: 'sign' })
  for (const other of [
    body(11, flags),
    body(17),
    body(13, wireString('key')),
    body(27),
    new Uint8Array(),
    concat(sign, flags),
  ])
    expect(parseAgentRequest(other)).toEqual({ kind: 'other' })
})

test('messages are split where they end, and one that is too long ends the conversation', () => {
  const [one, two] = [wireString('one'), wireString('two!')]
  const whole = splitAgentMessages(concat(one, two, two.subarray(0, 5)))
  expect(whole?.messages.map((message) => new TextDecoder().decode(message))).toEqual(['one', 'two!'])
  expect(whole?.rest.length).toBe(5)
  expect(splitAgentMessages(Uint8Array.of(0xff, 0, 0, 0))).toBeUndefined()
})

test('what an agent says has the length that it says', () => {
  for (const message of [formatIdentities(wireString('k'), 'hop'), formatSigned(wireString('s')), agentFailure])
    expect(splitAgentMessages(message)).toMatchObject({ rest: new Uint8Array() })
})

test('broken messages end in another request or in nothing', () => {
  const samples = [wireString(body(13, wireString('key'), wireString('data'), flags)), wireString(body(11))]
  for (const broken of mutations(samples))
    for (const message of splitAgentMessages(broken)?.messages ?? []) parseAgentRequest(message)
})
