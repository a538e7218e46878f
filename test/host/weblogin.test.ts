// The web login on a real sshd and a real sudo: a person at a terminal, a browser elsewhere.
import { expect } from 'bun:test'
import { settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { inLab } from './suite.ts'
import { credential, onScreen, servicePort, sshCommand, startWeb, type Web } from './web.ts'

let lab: Lab
let web: Web

const webConfig = `weblogin = portal
weblogin_url = http://127.0.0.1:${servicePort}
weblogin_token = ${credential}
`

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleIn(lab, webConfig)
  web = await startWeb(lab)
  await lab.setStack('f')
})

const reasons = (): readonly string[] => lab.audit().map(({ reason }) => reason)

lab_test('the terminal shows an address, the page a code, and the code opens a shell as the right user', async () => {
  lab.audit()
  const login = await onScreen(lab, sshCommand('alice', 'id -un; pwd'), {
    type: async ({ handle }) => String(await web.service('confirm', handle)),
  })
  expect(login.output.trim().split('\n').slice(-2)).toEqual(['alice', '/home/alice'])
  expect(login.addresses.length).toBe(1)
  expect(reasons()).toEqual(['weblogin-asked', 'weblogin-confirmed', 'portal-allowed', 'session-opened'])
  expect(lab.sshdLog()).not.toContain('Failure setting user credentials')
})
