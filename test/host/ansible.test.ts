// The Ansible role against a booted Debian, by ssh as a fleet does it: the second run changes nothing.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mintToken } from './enrolled.ts'
import { bootPackaged, differences, type PackagedHost, versions } from './packaged.ts'
import { NotBooted } from './systemd.ts'

const repository = join(import.meta.dir, '..', '..')

/** Ansible is large and only this needs it. */
function refusal(): string | undefined {
  const wanted = () => Bun.which('ansible-playbook') !== null
  if (wanted()) return undefined
  const fetched = spawnSync('node', ['packaging/setup.mjs', 'part', 'ansible'], { cwd: repository, encoding: 'utf8' })
  if (fetched.status === 0 && wanted()) return undefined
  return `there is no Ansible and it could not be installed: ${fetched.stderr?.trim().split('\n').at(-1) ?? 'no node'}`
}

let host: PackagedHost
const refused = refusal()
const booted = refused === undefined ? await bootPackaged().catch((error: unknown) => error) : new NotBooted(refused)
if (booted instanceof NotBooted) console.error(`the tests of the Ansible role are left out: ${booted.message}`)
else if (booted instanceof Error) throw booted
const onHost = (name: string, work: () => Promise<void>): void =>
  (booted instanceof NotBooted ? test.skip : test)(name, work, 240_000)

const here = (name: string): string => join(host.beside.scratch, name)

beforeAll(async () => {
  if (booted instanceof NotBooted) return
  host = booted as PackagedHost
  writeFileSync(here('key'), host.text('/root/.ssh/id_root'), { mode: 0o600 })
  writeFileSync(here('ca.pem'), host.portalCa)
  writeFileSync(here('inventory'), 'lab ansible_host=127.0.0.1 ansible_user=root\n')
  // The portal's administrator lets this program approve.
  writeFileSync(
    here('approve'),
    `#!/bin/sh\nexec curl -fsS -d "{\\"user_code\\":\\"$1\\",\\"user\\":\\"dwho\\"}" http://127.0.0.1:19444/control/approve\n`,
    { mode: 0o755 },
  )
  const variables = {
    ob_deb: host.space.outside(`/root/packages/ob_${versions.first}_amd64.deb`),
    // This host has no network to fetch them from.
    ob_install_recommends: false,
    ob_portal: host.portalUrl,
    ob_client_id: 'pam-access',
    ob_client_secret: 'pamsecret',
    ob_server_group: 'truth',
    ob_ca_cert: here('ca.pem'),
    ob_approve_command: [here('approve')],
  }
  writeFileSync(
    here('site.json'),
    JSON.stringify([{ hosts: 'all', gather_facts: false, roles: [{ role: 'ob', vars: variables }] }]),
  )
})
afterAll(async () => {
  await host?.stop()
})

/** Runs the play with other variables; its recap. */
async function play(...more: readonly string[]) {
  const ran = await host.beside.run(['ansible-playbook', '-i', here('inventory'), ...more, here('site.json')], {
    env: {
      HOME: host.beside.scratch,
      ANSIBLE_HOME: here('ansible'),
      ANSIBLE_ROLES_PATH: join(repository, 'packaging/ansible/roles'),
      ANSIBLE_PRIVATE_KEY_FILE: here('key'),
      ANSIBLE_HOST_KEY_CHECKING: 'False',
      ANSIBLE_SSH_ARGS: '-F none -o UserKnownHostsFile=/dev/null -o ControlMaster=auto -o ControlPersist=20s',
      ANSIBLE_SSH_CONTROL_PATH_DIR: here('cp'),
      ANSIBLE_NOCOLOR: '1',
      ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3',
    },
    limit: 200_000,
  })
  const recap = /ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)/.exec(ran.stdout)
  return { ...ran, changed: Number(recap?.[2]), failed: Number(recap?.[4]) }
}

onHost('the role takes a bare Debian to a confirmed set-up, and a second run changes nothing', async () => {
  const first = await play()
  expect([first.code, first.failed, first.code === 0 ? '' : first.stdout.slice(-3000)]).toEqual([0, 0, ''])
  expect(first.changed).toBeGreaterThan(3)
  expect(first.stdout).not.toContain('pamsecret')
  expect(await host.state()).toBe('confirmed')
  const login = await host.ssh({ user: 'nora', answer: await mintToken(host, 'nora'), command: 'id -un' })
  expect(login.stdout).toBe('nora\n')
  const before = await host.etc()
  const second = await play()
  expect([second.code, second.changed, second.stdout.match(/^changed: .*$/gm)]).toEqual([0, 0, null])
  expect(differences(before, await host.etc())).toEqual([])
  expect((await host.run('ls /run/ob-client-secret')).code).toBe(2)
})

onHost('another mode is a change, and a mode that cannot be is named and changes nothing', async () => {
  const changed = await play('-e', 'ob_mode=d')
  expect([changed.code, changed.code === 0 ? '' : changed.stdout.slice(-3000)]).toEqual([0, ''])
  expect(await host.need('ob setup status')).toContain('mode d')
  const before = await host.etc()
  // The files that mode e needs first are not here.
  const refusedMode = await play('-e', 'ob_mode=e')
  expect([refusedMode.code, refusedMode.stdout]).toEqual([2, expect.stringContaining('mode e needs')])
  expect(differences(before, await host.etc())).toEqual([])
})
