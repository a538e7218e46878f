import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { concat, utf8 } from '../../src/base/bytes.ts'
import { parseFingerprint, parseLoginName } from '../../src/base/names.ts'
import {
  formatListRequest,
  formatSignRequest,
  parseIdentities,
  parseSignResponse,
  replyLength,
} from '../../src/ca/agent-format.ts'
import { formatCaCommand, parseCaCommand } from '../../src/ca/command-format.ts'
import { formatLedgerLine, type LedgerEntry, parseLedger, parseLedgerLine } from '../../src/ca/ledger-format.ts'
import { formatRevocations, parseRevocations } from '../../src/ca/revocations-format.ts'
import { wireString } from '../../src/ssh/wire.ts'
import { fuzzText, mutations } from '../fakes/mutate.ts'

const fingerprints = ['A', 'b', '+'].map((letter) => parseFingerprint(`SHA256:${letter.repeat(43)}`)!)
const names = ['alice', 'jean.dupont', '_x-1'].map((name) => parseLoginName(name)!)
const fingerprint = fc.constantFrom(...fingerprints)
const name = fc.constantFrom(...names)
const serial = fc.bigInt({ min: 1n, max: 18446744073709551615n })

const entry: fc.Arbitrary<LedgerEntry> = fc.oneof(
  fc.record({
    serial,
    type: fc.constant('user' as const),
    name,
    fingerprint,
    signer: fingerprint,
    validBefore: fc.nat(4_000_000_000),
  }),
  fc.record({
    serial,
    type: fc.constant('host' as const),
    name: fc.constantFrom('web1.example.org', '2001:db8::1'),
    fingerprint,
    signer: fingerprint,
    validBefore: fc.nat(4_000_000_000),
  }),
)

test('a line of the ledger is read back as it was written', () => {
  fc.assert(fc.property(entry, (one) => expect(parseLedgerLine(formatLedgerLine(one).trimEnd())).toEqual(one)))
})

test('a ledger that a full disk cut keeps its whole lines, and a mutated line is nothing or itself', () => {
  const [one, two] = fc.sample(entry, 2)
  const text = formatLedgerLine(one!) + formatLedgerLine(two!)
  expect(parseLedger(text)).toEqual([one!, two!])
  expect(parseLedger(`${text}17959 user ali`)).toEqual([one!, two!])
  const survived = fuzzText([formatLedgerLine(one!).trimEnd()], (line) => {
    const parsed = parseLedgerLine(line)
    if (parsed) expect(formatLedgerLine(parsed)).toBe(`${line}\n`)
  })
  expect(survived).toBeGreaterThan(1000)
})

test('revocations are read back as they were written, and a damaged list is no list', () => {
  const lists = fc.record({
    users: fc.uniqueArray(name).map((list) => new Set(list)),
    serials: fc.uniqueArray(fc.tuple(serial, fingerprint), { selector: ([one]) => one }).map((list) => new Map(list)),
    keys: fc.uniqueArray(fingerprint).map((list) => new Set(list)),
  })
  fc.assert(fc.property(lists, (list) => expect(parseRevocations(formatRevocations(list))).toEqual(list)))
  for (const damaged of ['user alice', 'user Alice\n', 'user alice bob\n', 'serial 0 x\n', 'key x\n', '\n', 'what 1\n'])
    expect([damaged, parseRevocations(damaged)]).toEqual([damaged, undefined])
})

const shapes: readonly (readonly [string | undefined, string])[] = [
  ['token abcDEF123', 'token'],
  ['  token   abc  ', 'token'],
  [`token ${'a'.repeat(2048)}`, 'token'],
  ['token abc.def-ghi_~+/==', 'token'],
  ['show', 'show'],
  ['login', 'login'],
  ['help', 'help'],
  ['', 'help'],
  [undefined, 'help'],
  ['token', 'malformed'],
  ['token a b', 'malformed'],
  [`token ${'a'.repeat(2049)}`, 'malformed'],
  ['a'.repeat(5000), 'malformed'],
  ['token abc;id', 'malformed'],
  ['token $(id)', 'malformed'],
  ['token =abc', 'malformed'],
  ['token ab\u0000c', 'malformed'],
  ['token é', 'malformed'],
  ['token\nabc', 'malformed'],
  ['Token abc', 'malformed'],
  ['/usr/lib/openssh/sftp-server', 'malformed'],
  ['scp -t x', 'malformed'],
  ['show me', 'malformed'],
]
test.each(shapes)('the command %p is %s', (text, kind) => expect(parseCaCommand(text).kind).toBe(kind as 'token'))

test('a command is read back as it was written', () => {
  const word = fc.stringMatching(/^[A-Za-z0-9._~+/-]{1,60}={0,2}$/)
  fc.assert(
    fc.property(word, (token) => {
      const parsed = parseCaCommand(`token ${token}`)
      expect(parsed.kind === 'token' && parsed.token.expose()).toBe(token)
      expect(formatCaCommand(parsed)).toBe(`token ${token}`)
    }),
  )
})

const reply = (type: number, ...parts: readonly Uint8Array[]) => wireString(concat(Uint8Array.of(type), ...parts))
const u32 = (value: number) => Uint8Array.of(0, 0, 0, value)

test('what an agent lists and signs is read, and anything else is a problem', () => {
  const listed = reply(12, u32(2), wireString('one'), wireString('comment'), wireString('two'), wireString(''))
  expect(parseIdentities(listed)).toEqual([utf8('one'), utf8('two')])
  expect(parseSignResponse(reply(14, wireString('signature')))).toEqual(utf8('signature'))
  const bad = [
    reply(5),
    reply(12, u32(3), wireString('one'), wireString('')),
    reply(12, u32(1), wireString('one'), wireString(''), utf8('x')),
    reply(14, wireString('')),
    utf8('x'),
    new Uint8Array(),
  ]
  for (const bytes of bad) {
    expect(parseIdentities(bytes)).toHaveProperty('problem')
    expect(parseSignResponse(bytes)).toHaveProperty('problem')
  }
  let survived = 0
  for (const bytes of mutations([listed, reply(14, wireString('signature'))])) {
    parseIdentities(bytes)
    parseSignResponse(bytes)
    survived++
  }
  expect(survived).toBeGreaterThan(1000)
})

test('requests are framed as the agent reads them, and a reply says how long it is', () => {
  expect([...formatListRequest()]).toEqual([0, 0, 0, 1, 11])
  const key = { plainType: 'ssh-ed25519', plainBlob: utf8('key') }
  const request = formatSignRequest(key, utf8('data'))
  expect(replyLength(request)).toBe(request.length)
  expect([...request.subarray(-4)]).toEqual([0, 0, 0, 0])
  // SSH_AGENT_RSA_SHA2_512
  expect([...formatSignRequest({ ...key, plainType: 'ssh-rsa' }, utf8('data')).subarray(-4)]).toEqual([0, 0, 0, 4])
  expect(replyLength(Uint8Array.of(0, 0, 1))).toBeUndefined()
})
