import { expect, test } from 'bun:test'
import { decodeBase64 } from '../../src/base/bytes.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { refusalOf } from '../../src/ca/people.ts'
import { loadConfig } from '../../src/config/load.ts'
import { type PublicKey, parsePublicKey } from '../../src/ssh/wire.ts'
import { publicKeyLine } from '../fakes/ssh-keys.ts'
import { fakeWorld } from '../fakes/world.ts'
import { configText, pem } from '../modes/host.ts'

const keyOf = (name: string) => parsePublicKey(decodeBase64(publicKeyLine(name).split(' ')[1]!)!) as PublicKey

test('root, accounts of the system, functional accounts, revoked people and revoked keys get no certificate', async () => {
  const world = fakeWorld({
    files: {
      '/etc/open-bastion/openbastion.conf': configText('ca_user = ca\nfunctional_accounts = login'),
      '/etc/open-bastion/ca.pem': pem,
      '/etc/passwd': 'root:x:0:0::/root:/bin/sh\nbackup:x:34:34::/:/bin/sh\n',
      '/var/lib/open-bastion/ca/revoked': `user mallory\nkey ${keyOf('p256').fingerprint}\n`,
    },
  })
  const config = loadConfig(world.files)
  const reason = async (name: string, key = 'ed25519') =>
    (await refusalOf(world, config, { user: parseLoginName(name)!, key: keyOf(key) }))?.reason
  expect(await reason('alice')).toBeUndefined()
  expect(await reason('root')).toBe('root-refused')
  expect(await reason('backup')).toBe('local-account')
  expect([await reason('ca'), await reason('login')]).toEqual(['person-refused', 'person-refused'])
  expect([await reason('mallory'), await reason('alice', 'p256')]).toEqual(['ca-revoked', 'ca-revoked'])
})
