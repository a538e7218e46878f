import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { Fault } from '../../src/base/fault.ts'
import {
  formatAuthorizedKeysLine,
  type KeyOption,
  parseAuthorizedKeysLine,
  parseKeyOptions,
} from '../../src/ssh/authorized-keys-format.ts'
import { fuzzText } from '../fakes/mutate.ts'
import { certificateLine, listed, publicKeyLine } from '../fakes/ssh-keys.ts'

const [type = '', base64 = ''] = publicKeyLine('ed25519').split(' ')
const key = { type, base64 }
const bare = `${type} ${base64}`
const { fingerprint } = listed('ed25519')

/** The line in one line. */
function summary(line: string): string {
  const parsed = parseAuthorizedKeysLine(line)
  if (parsed.kind === 'problem') return `problem ${parsed.problem}`
  if (parsed.kind !== 'key') return parsed.kind
  return `${parsed.options ?? '-'} ${parsed.key.fingerprint} ${parsed.comment || '-'}`
}

test.each([
  ['', 'blank'],
  [' \t ', 'blank'],
  ['# a comment', 'comment'],
  ['\t# a comment', 'comment'],
  [bare, `- ${fingerprint} -`],
  [`  ${bare} alice at home`, `- ${fingerprint} alice at home`],
  [`restrict,pty ${bare} alice`, `restrict,pty ${fingerprint} alice`],
  [`command="echo \\"a b\\"",no-pty\t${bare}`, `command="echo \\"a b\\"",no-pty ${fingerprint} -`],
  [`from="a,b c",restrict  ${bare}`, `from="a,b c",restrict ${fingerprint} -`],
])('%j is read', (line, expected) => {
  expect(summary(line)).toBe(expected)
})

test.each([
  'ssh-ed25519',
  `ssh-rsa ${base64}`,
  `command="open ${bare}`,
  `command="a\\" ${bare}`,
  `command="a"b ${bare}`,
  `,restrict ${bare}`,
  `restrict, ${bare}`,
  `restrict,,pty ${bare}`,
  `x="a\\",y="b" ${bare}`,
  `${bare}\n${bare}`,
  `restrict\0 ${bare}`,
])('%j is a problem', (line) => {
  expect(summary(line)).toStartWith('problem ')
})

test('a certificate is a key as well', () => {
  expect(summary(certificateLine('ed25519', ['-I', 'x', '-n', 'alice']))).toContain(fingerprint)
})

test('our line says what sshd shall enforce', () => {
  const line = formatAuthorizedKeysLine(['cert-authority', 'restrict', ['principals', 'alice']], key)
  expect(line).toBe(`cert-authority,restrict,principals="alice" ${bare}`)
  expect(formatAuthorizedKeysLine([], key)).toBe(bare)
})

test('whatever a value holds, sshd reads that value and no other option', () => {
  const unit = fc.constantFrom('"', '\\', ',', ' ', '\t', '=', '#', 'a', 'é', '\n', '\0', '\ud800', 'command')
  const values = fc.oneof(fc.string({ unit, maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 12 }))
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 3 }), (list) => {
      const options: readonly KeyOption[] = ['restrict', ...list.map((value) => ['principals', value] as const), 'pty']
      const harmful = list.some(
        (value) => value.endsWith('\\') || /[\p{Cc}\u2028\u2029]/u.test(value) || !value.isWellFormed(),
      )
      if (harmful) {
        expect(() => formatAuthorizedKeysLine(options, key)).toThrow(Fault)
        return
      }
      const line = formatAuthorizedKeysLine(options, key)
      const parsed = parseAuthorizedKeysLine(line)
      if (parsed.kind !== 'key') throw new Error(summary(line))
      expect(String(parsed.key.fingerprint)).toBe(fingerprint)
      expect(parseKeyOptions(parsed.options!)).toEqual(options)
      expect(formatAuthorizedKeysLine(options, key)).toBe(line)
    }),
  )
})

// What sshd itself does with the line is measured with ssh-keygen, which reads the same way.
test('ssh-keygen finds the same key behind a value full of quotes and backslashes', () => {
  const line = formatAuthorizedKeysLine([['command', 'a\\"b" \\\\"c, d']], key)
  const done = Bun.spawnSync(['ssh-keygen', '-l', '-f', '-'], { stdin: new TextEncoder().encode(`${line}\n`) })
  expect(done.stdout.toString()).toContain(fingerprint)
})

test.each([
  ['an option name with a quote', ['a"b'], key],
  ['an option name with a comma', ['pty,command'], key],
  ['an empty option name', [''], key],
  ['an option in place of a name', ['command="x"'], key],
  ['a key type with a blank', [], { type: 'restrict ssh-ed25519', base64 }],
  ['a key that is none', [], { type, base64: 'AAAA' }],
  ['a key with a comment', [], { type, base64: `${base64} x` }],
  ['a key with a line break', [], { type, base64: `${base64}\n` }],
  ['a key of another type', [], { type: 'ssh-rsa', base64 }],
] as const)('%s is a fault', (_, options, bad) => {
  expect(() => formatAuthorizedKeysLine(options, bad)).toThrow(Fault)
})

test('no mutation throws, and an accepted line is written the same', () => {
  fuzzText([`restrict,principals="a\\"b",command="x y" ${bare}`, bare], (text) => {
    const parsed = parseAuthorizedKeysLine(text)
    if (parsed.kind !== 'key' || parsed.options === undefined) return
    const options = parseKeyOptions(parsed.options)
    if ('problem' in options) throw new Error(options.problem)
    // Only what we would write ourselves: lower case, no control characters.
    if (/[A-Z\p{Cc}]|\\"?$/u.test(parsed.options) || options.some((one) => /^[-0-9]/.test(String(one)))) return
    const { type: kind, blob } = parsed.key
    const line = formatAuthorizedKeysLine(options, { type: kind, base64: blob.toBase64() })
    expect(line).toStartWith(`${parsed.options} `)
  })
})
