// Names from outside against the C implementation's verdicts, name by name.
import { expect, test } from 'bun:test'
import { parseFingerprint, parseGroupName, parseLoginName } from '../../src/base/names.ts'
import vectors from '../vectors/validators.json'

const rows = vectors.usernames.map((row) => {
  const text = new TextDecoder('latin1').decode(Uint8Array.fromHex(row.input_hex))
  return [JSON.stringify(text).slice(0, 40), { ...row, text }] as const
})

// Its PAM module refused a dot that its certificate daemon allows; directories have such names.
const dotted = ['a.b', 'user.name']

test.each(rows)('a user called %s', (_, { text, ...row }) => {
  const valid = parseLoginName(text) !== undefined
  expect(valid).toBe(row.pam_validate_username || dotted.includes(text))
  expect(valid).toBe(row.cert_daemon_ob_valid_username)
})

test.each(rows)('a group called %s', (_, { text, pam_validate_groupname }) => {
  expect(parseGroupName(text) !== undefined).toBe(pam_validate_groupname)
})

test('a name never ends in a dot, and has at most 32 characters', () => {
  expect(['a.', 'a.b.', '.a', '..', 'a'.repeat(33)].map(parseLoginName)).toEqual(Array(5).fill(undefined))
  expect([parseLoginName('a'.repeat(32))?.length, parseGroupName('a'.repeat(32))?.length]).toEqual([32, 32])
  expect([parseGroupName('a'.repeat(33)), parseGroupName('a.b')]).toEqual([undefined, undefined])
})

test('a fingerprint is SHA-256 in 43 characters of base64', () => {
  const good = `SHA256:${'aZ09+/'.repeat(7)}A`
  expect(parseFingerprint(good) as string).toBe(good)
  const wrong = [good.slice(0, -1), `${good}A`, `${good}=`, ` ${good}`, `${good}\n`, good.toLowerCase(), good.slice(1)]
  for (const text of [...wrong, `MD5:${good.slice(7)}`, good.replace('+', '-')])
    expect([text, parseFingerprint(text)]).toEqual([text, undefined])
})
