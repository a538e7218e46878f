// The examples for fleets: what they run exists, and a machine can read them.
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { syntax } from '../../modes/admin/setup.ts'

const files = [
  'packaging/ansible/roles/ob/tasks/main.yml',
  'packaging/ansible/roles/ob/tasks/change.yml',
  'packaging/ansible/roles/ob/defaults/main.yml',
  'packaging/ansible/roles/ob/meta/main.yml',
  'packaging/ansible/site.yml',
  'packaging/cloud-init/user-data.yaml',
]
const text = (path: string): string => readFileSync(path, 'utf8')

test.each(files)('%s is YAML', (path) => {
  expect(Bun.YAML.parse(text(path))).toBeTruthy()
})

test('cloud-init knows its file by the first line, and the role’s example sets what must be set', () => {
  expect(text('packaging/cloud-init/user-data.yaml')).toStartWith('#cloud-config\n')
  for (const name of ['ob_deb', 'ob_portal', 'ob_client_id', 'ob_client_secret'])
    expect(text('packaging/ansible/site.yml')).toContain(`${name}: `)
})

test.each([...files, 'packaging/container/entrypoint'])('every option of ob setup in %s is one', (path) => {
  const given = [...text(path).matchAll(/--(mode|portal|client-id|client-secret-file|[a-z]+(?:-[a-z]+)*)\b/g)]
  const known = [...Object.keys(syntax.args), 'check', 'strict', 'ask-vault-pass']
  for (const [, name] of given) expect([path, name, known.includes(name!)]).toEqual([path, name, true])
})

test('the entry point of the container is a script that sh takes', () => {
  expect(Bun.spawnSync(['sh', '-n', 'packaging/container/entrypoint']).exitCode).toBe(0)
})
