// From a bastion to a backend, on three machines with the sshd of the system: the backend has no way to the portal.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mintToken } from './enrolled.ts'
import { hasLab } from './suite.ts'
import { addresses, startThreeHosts, type ThreeHosts } from './three-hosts.ts'

let hosts: ThreeHosts

beforeAll(async () => {
  if (!hasLab) return
  hosts = await startThreeHosts()
  const login = await hosts.bastion.ssh({ user: 'alice', answers: [await mintToken(hosts.bastion, 'alice')] })
  if (!login.entered) {
    const again = await hosts.bastion.ssh({ user: 'alice', answers: [await mintToken(hosts.bastion, 'alice')] })
    if (!again.entered) throw new Error(`alice cannot log in to the bastion: ${again.stderr}`)
  }
  hosts.configureBackend('bastion_jwt_offline_login = true\nbastion_jwt_required = true\n')
  await hosts.publish()
  await hosts.route(false)
}, 180_000)
afterAll(() => hosts?.stop())

const host_test = (name: string, work: () => Promise<void>, limit = 60_000) =>
  (hasLab ? test : test.skip)(name, work, limit)

host_test('ob proxy logs in on a backend that has no way to the portal', async () => {
  const ran = await hosts.onBastion('ob proxy alice@backend "id -un; hostname"')
  expect([ran.stdout, ran.stderr, ran.code]).toEqual(['alice\nbackend\n', '', 0])
  expect(addresses.backend).toBe('10.72.0.2')
})
