import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { expandTokens, formatCommandLine, parseCommandLine } from '../../src/ssh/command-line-format.ts'

const values = { u: 'alice', t: 'ssh-ed25519', k: 'AAAA', f: 'SHA256:x' }
const argv = (text: string) => {
  const line = parseCommandLine(text)
  return 'problem' in line ? line.problem : expandTokens(line, values)
}

test.each([
  ['/usr/bin/userdbctl ssh-authorized-keys %u\n', ['/usr/bin/userdbctl', 'ssh-authorized-keys', 'alice']],
  ['# what was here before\n\n\t/x/y  --key=%t:%k\t%f 100%%\n', ['/x/y', '--key=ssh-ed25519:AAAA', 'SHA256:x', '100%']],
])('%j is run as %j', (text, expected) => {
  expect(argv(text)).toEqual(expected)
})

test.each(['', '# only this\n', '/a\n/b\n', 'userdbctl %u', './x', '/a/../b', '/a/%u', '/a %h', '/a %', '/a b\0', '/'])(
  '%j is not run',
  (text) => {
    expect(argv(text)).toBeString()
  },
)

test('a value stays one word, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string(), (u) => {
      const line = parseCommandLine('/x %u a%u')
      if ('problem' in line) throw new Error(line.problem)
      expect(expandTokens(line, { ...values, u })).toEqual(['/x', u, `a${u}`])
    }),
  )
})

test('what is written is read as it was', () => {
  const word = fc.stringMatching(/^[a-z%]{1,5}$/).map((text) => text.replaceAll('%', '%%'))
  fc.assert(
    fc.property(fc.array(word), (words) => {
      expect(parseCommandLine(formatCommandLine(['/usr/bin/x', ...words]))).toEqual(['/usr/bin/x', ...words])
    }),
  )
})
