// An OpenPGP challenge on a real sshd: shown, decrypted with gpg, typed back.
import { expect } from 'bun:test'
import { settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { codeIn, decrypt, knock, makeKeys, messageIn } from './person.ts'
import { inLab } from './suite.ts'

let lab: Lab

const test = inLab({}, async (started) => {
  lab = started
  await settleIn(lab)
  await makeKeys(lab, { alice: 'future-default' })
  await lab.need('install -d /etc/open-bastion/gpg && cp /root/person/alice.asc /etc/open-bastion/gpg/')
  await lab.setStack('g')
})

const reasons = (): string =>
  lab
    .audit()
    .map(({ reason }) => reason)
    .join(' ')

test('who decrypts the challenge and types its code gets a shell', async () => {
  reasons()
  const login = await knock(lab, { user: 'alice' })
  const shown = await login.prompt()
  const plain = await decrypt(lab, messageIn(shown))
  login.answer(codeIn(plain))
  const { entered, stderr } = await login.end()
  if (!entered) console.error(shown, plain, stderr, lab.sshdLog().slice(-3000))
  expect(plain).toMatch(/^ob 1\nhost lab\nuser alice\nfrom 127\.0\.0\.1\nservice sshd\nsession [0-9A-F]{8}\nexpires /)
  expect(entered).toBe(true)
  expect(reasons()).toBe('challenge-shown challenge-answered portal-allowed session-opened')
})
