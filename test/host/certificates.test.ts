// Certificates from a login: one line of ssh, a stock sshd in front, a stock agent that signs.
import { expect } from 'bun:test'
import { certify, logIn, newKey, settleAuthority } from './authority.ts'
import type { Lab } from './lab.ts'
import { inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleAuthority(lab)
  await newKey(lab, 'first')
})

lab_test('a token and a key make a certificate, and the certificate is a login', async () => {
  const ran = await certify(lab, 'first', 'alice')
  expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('for alice, valid until')])
  const listed = await lab.need('ssh-keygen -L -f /root/keys/first-cert.pub')
  expect(listed).toMatch(/Key ID: "alice@ca\.example\.test \d+"/)
  const login = await logIn(lab, 'alice', 'first', 'id -un')
  expect([login.code, login.stdout]).toEqual([0, 'alice\n'])
})
lab_test('the functional account becomes the person of the certificate', async () => {
  const login = await logIn(lab, 'login', 'first', 'id -un; pwd; echo $0')
  expect([login.code, login.stdout, login.stderr]).toEqual([0, 'alice\n/home/alice\n/bin/bash\n', ''])
})
