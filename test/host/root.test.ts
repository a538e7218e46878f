// root repairs a host whose portal is gone, and the portal never makes anybody root by a login.
import { expect } from 'bun:test'
import { settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleIn(lab)
  await lab.setStack('e')
})

lab_test('a certificate of the portal that names root is no way in, while the user’s own is', async () => {
  await lab.need(`cd /root/keys && ssh-keygen -q -t ed25519 -N '' -f usurper &&
    ssh-keygen -q -s /root/authority -I usurper -n root,alice -V +1h usurper.pub`)
  const usurper = await lab.ssh({ user: 'root', key: '/root/keys/usurper' })
  const alice = await lab.ssh({ user: 'alice', key: '/root/keys/alice-certified' })
  expect({ usurper: usurper.entered, alice: alice.entered }).toEqual({ usurper: false, alice: true })
})

lab_test(
  'without the revocation list nobody’s certificate counts, and root still comes in to put it there',
  async () => {
    await lab.need('mv /etc/ssh/revoked_keys /etc/ssh/elsewhere')
    const alice = await lab.ssh({ user: 'alice', key: '/root/keys/alice-certified' })
    const root = await lab.ssh({ user: 'root', key: '/root/.ssh/id_root' })
    await lab.need('mv /etc/ssh/elsewhere /etc/ssh/revoked_keys')
    expect({ alice: alice.entered, root: root.entered }).toEqual({ alice: false, root: true })
  },
)
