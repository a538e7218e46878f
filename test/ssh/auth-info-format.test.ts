import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatAuthInfo, parseAuthInfo } from '../../src/ssh/auth-info-format.ts'
import { fuzzText } from '../fakes/mutate.ts'
import { certificateLine, listed, publicKeyLine } from '../fakes/ssh-keys.ts'

const bare = (line: string): string => line.split(' ').slice(0, 2).join(' ')
const plain = bare(publicKeyLine('ed25519'))
const certificate = bare(certificateLine('ed25519', ['-I', 'ob:alice', '-n', 'alice']))
const { fingerprint } = listed('ed25519')

/** The methods in one line, with what each proved. */
function summary(text: string): string {
  const info = parseAuthInfo(text)
  if ('problem' in info) return `problem: ${info.problem}`
  return info.methods.map(({ method, key }) => (key ? `${method} ${key.type} ${key.fingerprint}` : method)).join(', ')
}

test.each([
  ['the account phase says nothing', '', ''],
  ['a password', 'password\n', 'password'],
  ['a typed answer', 'keyboard-interactive/pam\n', 'keyboard-interactive/pam'],
  ['a key', `publickey ${plain}\n`, `publickey ssh-ed25519 ${fingerprint}`],
  ['a certificate', `publickey ${certificate}\n`, `publickey ssh-ed25519-cert-v01@openssh.com ${fingerprint}`],
  [
    'a certificate, then an answer',
    `publickey ${certificate}\nkeyboard-interactive/pam\n`,
    `publickey ssh-ed25519-cert-v01@openssh.com ${fingerprint}, keyboard-interactive/pam`,
  ],
  ['a key, then a password', `publickey ${plain}\npassword\n`, `publickey ssh-ed25519 ${fingerprint}, password`],
  ['a host’s key', `hostbased ${plain}\n`, `hostbased ssh-ed25519 ${fingerprint}`],
  ['a ticket', 'gssapi-with-mic alice@EXAMPLE.ORG\n', 'gssapi-with-mic'],
])('%s', (_, text, expected) => {
  expect(summary(text)).toBe(expected)
})

test.each([
  ['no last newline', 'password'],
  ['a cut key', `publickey ${plain}`],
  ['an empty line', 'password\n\npassword\n'],
  ['only a newline', '\n'],
  ['no key', 'publickey\n'],
  ['half a key', `publickey ${plain.slice(0, -8)}\n`],
  ['a comment after the key', `publickey ${plain} alice\n`],
  ['two blanks', `publickey  ${plain}\n`],
  ['a key of another type', `publickey ${plain.replace('ssh-ed25519', 'ssh-rsa')}\n`],
  ['a strange method', 'Password\n'],
  ['a carriage return', 'password\r\n'],
  ['two submethods', 'keyboard-interactive/pam/x\n'],
])('%s is a problem', (_, text) => {
  expect(summary(text)).toStartWith('problem: ')
})

test('one bad line spoils the whole: a good key beside it is not believed', () => {
  expect(summary(`publickey ${plain}\npublickey nonsense\n`)).toStartWith('problem: ')
})

test('what is written is read back', () => {
  const line = fc.constantFrom('password', 'keyboard-interactive/pam', `publickey ${plain}`, `publickey ${certificate}`)
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), (lines) => {
      const text = lines.map((one) => `${one}\n`).join('')
      const info = parseAuthInfo(text)
      if ('problem' in info) throw new Error(info.problem)
      expect(formatAuthInfo(info)).toBe(text)
    }),
  )
})

test('no mutation throws, and an accepted text with a key would have been written the same', () => {
  fuzzText([`publickey ${plain}\npassword\n`, `publickey ${certificate}\nkeyboard-interactive/pam\n`], (text) => {
    const info = parseAuthInfo(text)
    if ('problem' in info || text.includes(' ') !== info.methods.some(({ key }) => key)) return
    const keyed = info.methods.filter(({ key }) => key)
    if (text.match(/ /g)?.length === keyed.length * 2 || keyed.length === 0) expect(formatAuthInfo(info)).toBe(text)
  })
})
