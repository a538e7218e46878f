import { expect, test } from 'bun:test'
import { isOnlyReserved } from '../../src/accounts/uid-reservations.ts'
import { enrolledHost } from '../modes/host.ts'

test('a name is a user only by reservation until the registry has an account of it', async () => {
  const host = await enrolledHost({ files: { '/run/open-bastion/promises/20000.200.rtyler': '' } })
  expect([await isOnlyReserved(host.world, 'rtyler'), await isOnlyReserved(host.world, 'dwho')]).toEqual([true, false])
  await host.phase('account', { PAM_USER: 'rtyler' })
  host.world.disk.set('/run/open-bastion/promises/20000.100.rtyler', {
    data: new Uint8Array(),
    mode: 0o600,
    uid: 0,
    gid: 0,
    modifiedAt: 0,
  })
  await host.phase('open_session', { PAM_USER: 'rtyler', SSH_AUTH_INFO_0: 'password\n' })
  expect(await isOnlyReserved(host.world, 'rtyler')).toBe(false)
})
