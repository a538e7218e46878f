import { expect, test } from 'bun:test'
import { checkConfig } from '../../src/config/load.ts'
import { offlinePolicy } from '../../src/login/answers.ts'

const risky = (listed: string, service: string): boolean => {
  const checked = checkConfig(`portal_url = https://auth.example.test\nhigh_risk_services = ${listed}\n`)
  if (checked.kind === 'refused') throw new Error('refused')
  return offlinePolicy(checked.config, service).highRiskSeconds !== undefined
}

test('sudo -i is as risky as sudo, whichever of the two is listed', () => {
  for (const listed of ['sudo', 'sudo-i'])
    expect([risky(listed, 'sudo'), risky(listed, 'sudo-i'), risky(listed, 'sshd')]).toEqual([true, true, false])
  expect([risky('su', 'sudo'), risky('su', 'sudo-i')]).toEqual([false, false])
})
