import { expect, test } from 'bun:test'
import { mode as status } from '../../../modes/admin/status.ts'
import { enrolledHost } from '../host.ts'

test('the name of a stranger does not steer the terminal of whoever reads the status', async () => {
  const host = await enrolledHost()
  // Copies a text to the clipboard (OSC 52), clears the screen (CSI as one character), adds a line.
  const name = 'x\u001b]52;c;cm0gLXJm\u0007\u009b2J\nlockouts    0 locked now'
  await host.phase('auth', { PAM_USER: name }, '0'.repeat(64))
  const { text = '' } = await status.run([], host.world)
  expect(text).toContain('AUTH_FAILURE x?]52')
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  expect(text.split('\n').filter((line) => line.startsWith('lockouts')).length).toBe(1)
})

test('a host that the portal refused is told so, until the portal accepts it', async () => {
  const host = await enrolledHost()
  const error = 'Server not enrolled.'
  host.portal.control.fault({ kind: 'down', status: 403, times: 1, path: '/pam/authorize', body: { error } })
  const remark = 'the portal refused this host, so nothing cached counts'
  await host.phase('account', { PAM_USER: 'rtyler' })
  expect((await status.run([], host.world)).text).toContain(remark)
  await host.phase('account', { PAM_USER: 'rtyler' })
  expect((await status.run([], host.world)).text).not.toContain(remark)
})

test('a refused host reads what the portal said, and what helps against that', async () => {
  const host = await enrolledHost({ serverGroups: { 'pam-access': 'frontend' } })
  await host.phase('account', { PAM_USER: 'rtyler' })
  const { text = '' } = await status.run([], host.world)
  expect(text.replace(/\s+/g, ' ')).toContain("is not authorized for server_group 'backend' → set server_group in")
  expect(text).not.toContain('ob enroll')
})

test.each([40, 80])('on a terminal of %d columns no line is wider, and nothing is cut off', async (columns) => {
  const host = await enrolledHost({ serverGroups: { 'pam-access': 'frontend' } })
  await host.phase('account', { PAM_USER: 'rtyler' })
  const world = { ...host.world, terminal: { columns, colour: false, redraw: () => undefined } }
  const { text = '' } = await status.run([], world)
  const isOneWord = (line: string): boolean => !/\S\s\S/.test(line.slice(12))
  expect(text.split('\n').filter((line) => line.length >= columns && !isOneWord(line))).toEqual([])
  expect(text.replace(/\s+/g, ' ')).toContain("is not authorized for server_group 'backend' → set server_group in")
  expect(text).toContain('https://auth.example.test')
  expect(text).not.toContain('…')
})
