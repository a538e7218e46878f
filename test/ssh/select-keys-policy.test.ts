// Which lines sshd is told: from whom they come, and for what the client offers.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Fingerprint } from '../../src/base/names.ts'
import { parseAuthorizedKeysLine } from '../../src/ssh/authorized-keys-format.ts'
import { type KeySource, type Offer, selectKeys } from '../../src/ssh/select-keys-policy.ts'
import { caFingerprint, caLine, certificateLine, listed, publicKeyLine } from '../fakes/ssh-keys.ts'

const bare = (line: string): string => line.split(' ').slice(0, 2).join(' ')
const key = bare(publicKeyLine('ed25519'))
const rsa = bare(publicKeyLine('rsa2048'))
const authority = bare(caLine)
const anything: Offer = { kind: 'anything' }
const all = () => true

const select = (from: KeySource['from'], text: string, offer: Offer = anything) =>
  selectKeys([{ from, text }], offer, all)

// biome-ignore format: a table
const rows: readonly (readonly [string, KeySource['from'], string, readonly string[]])[] = [
  ['a key', 'root', key, [key]],
  ['comments and blanks say nothing', 'root', `# ours\n\n${key} alice at home\n`, [key]],
  ['root may say anything', 'root', `restrict,command="x" ${key}\ncert-authority ${authority}`, [`restrict,command="x" ${key}`, `cert-authority ${authority}`]],
  ['option names in any case', 'root', `no-X11-Forwarding ${key}`, [`no-x11-forwarding ${key}`]],
  ['one bad line of root’s hides no other', 'root', `ssh-ed25519 AAAA\nunknown words here\n${key}`, [key]],
  ['a value that no line can carry hides only itself', 'root', `command="a\tb" ${rsa}\n${key}`, [key]],
  ['a certificate is no key to list', 'root', certificateLine('p256', ['-I', 'x', '-n', 'alice']), []],
  ['the same key twice is said once', 'root', `${key} a\n${key} b`, [key]],
  ['the portal: a key', 'portal', `${key} alice`, [key]],
  ['the portal: no option at all, not even a restriction', 'portal', `restrict ${key}`, []],
  ['the portal: no authority', 'portal', `cert-authority ${authority}`, []],
  ['the chain: a key', 'chain', key, [key]],
  ['the chain: restrictions', 'chain', `restrict,pty,from="192.0.2.0/24" ${key}`, [`restrict,pty,from="192.0.2.0/24" ${key}`]],
  ['the chain: no authority', 'chain', `cert-authority ${authority}`, []],
  ['the chain: nothing about the environment', 'chain', `environment="LD_PRELOAD=/x" ${key}`, []],
  ['the chain: nothing that allows more', 'chain', `no-touch-required ${key}`, []],
  ['the chain: garbage beside a key', 'chain', `${key}\nSegmentation fault`, []],
  ['the chain: a line break inside', 'chain', `${key} a\rb`, []],
]
test.each(rows)('%s', (_, from, text, expected) => {
  expect(select(from, text)).toEqual(expected)
})

test('with the fingerprint of an offered key only its line is said, and no authority', () => {
  const offer: Offer = { kind: 'key', fingerprint: listed('rsa2048').fingerprint as Fingerprint }
  expect(select('root', `${key}\n${rsa}\n`, offer)).toEqual([rsa])
  const itself: Offer = { kind: 'key', fingerprint: caFingerprint as Fingerprint }
  expect(select('root', `cert-authority ${authority}`, itself)).toEqual([])
})

const offered = (principals: readonly string[]): Offer => ({
  kind: 'certificate',
  authority: caFingerprint as Fingerprint,
  principals,
})

test('for a certificate only the authority that signed it is said, and only when root names it', () => {
  const line = `cert-authority,principals="alice" ${authority}`
  expect(select('root', `${line}\n${key}\ncert-authority ${rsa}`, offered(['alice']))).toEqual([line])
  expect(select('portal', line, offered(['alice']))).toEqual([])
  expect(select('chain', line, offered(['alice']))).toEqual([])
  expect(select('root', authority, offered(['alice']))).toEqual([])
})

test.each([[[]], [['alice,root']], [['*']], [['alice', 'a b']], [['"']]])(
  'a certificate for the principals %j is nobody’s',
  (principals) => {
    expect(select('root', `cert-authority ${authority}`, offered(principals))).toEqual([])
  },
)

test('a key that the policy refuses is not said', () => {
  const sources: KeySource[] = [{ from: 'root', text: `${key}\n${rsa}` }]
  expect(selectKeys(sources, anything, ({ plainType }) => plainType !== 'ssh-rsa')).toEqual([key])
})

test('a portal may export many keys, and 32 of them count', () => {
  const text = Array.from({ length: 40 }, (_, at) => `${at % 2 ? key : rsa} ${at}`).join('\n')
  expect(select('portal', text).length).toBe(2)
  const last = (lines: number) => select('portal', `${`${rsa}\n`.repeat(lines - 1)}${key}`).includes(key)
  expect([last(32), last(33)]).toEqual([true, false])
})

test('whatever a source says, every line that comes out is a key line, and the portal’s a key alone', () => {
  const pieces = fc.constantFrom(
    key,
    rsa,
    ' ',
    '\n',
    '\r',
    '"',
    '\\',
    ',',
    'command="',
    'cert-authority',
    '#',
    '\0',
    '\t',
    'é',
  )
  const text = fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, fc.constantFrom('root', 'chain', 'portal' as const), (said, from) => {
      for (const line of select(from as KeySource['from'], said)) {
        expect(line).not.toMatch(/[\n\r\0]/)
        const parsed = parseAuthorizedKeysLine(line)
        expect(parsed.kind).toBe('key')
        if (from === 'portal') expect([key, rsa]).toContain(line)
      }
    }),
  )
})
