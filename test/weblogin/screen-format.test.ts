import { expect, test } from 'bun:test'
import { formatScreen } from '../../src/weblogin/screen-format.ts'

const url = 'https://login.example.com/w/BCDFGHJKLMNPQR'

test('a sentence first, the address last and on a line of its own, and a picture between them that fits', () => {
  const lines = formatScreen(url, 'web1', { hasPicture: true }).split('\n')
  expect(lines[0]).toBe('Log in to web1 on the web.')
  expect(lines.slice(-3)).toEqual([url, '', ''])
  const picture = lines.filter((line) => /^[█▀▄ ]+$/.test(line))
  expect(new Set(picture.map((line) => line.length))).toEqual(new Set([picture[0]!.length]))
  expect(picture[0]!.length).toBeLessThanOrEqual(40)
  expect(picture[0]).toMatch(/^█+$/)
})

test('words fit a terminal of 40 columns, and a picture that is too wide for 80 is left out', () => {
  const long = `${url}${'A'.repeat(450)}`
  const lines = formatScreen(long, 'web1', { hasPicture: true }).split('\n')
  expect(lines.some((line) => /[█▀▄]/.test(line))).toBe(false)
  for (const line of lines.filter((line) => line !== long)) expect(line.length).toBeLessThanOrEqual(40)
})

test('without a picture nothing but ASCII is printed', () => {
  expect(formatScreen(url, 'web1', { hasPicture: false })).toMatch(/^[\n -~]+$/)
})

// sshd of OpenSSH 10 ends a login on the 33rd line.
test('a picture that would make too many lines is left out, and the address never', () => {
  const whole = formatScreen(url, 'web1', { hasPicture: true })
  const lines = whole.split('\n').length - 1
  expect(lines).toBeLessThanOrEqual(27)
  expect(formatScreen(url, 'web1', { hasPicture: true, most: lines })).toBe(whole)
  const plain = formatScreen(url, 'web1', { hasPicture: false })
  expect(formatScreen(url, 'web1', { hasPicture: true, most: lines - 1 })).toBe(plain)
  const long = `${url}${'A'.repeat(150)}`
  expect(formatScreen(long, 'web1', { hasPicture: true })).toContain('█')
  expect(formatScreen(long, 'web1', { hasPicture: true, most: 27 })).not.toContain('█')
})
