// root repairs a host whose portal is gone, and the portal never makes anybody root by a login.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { settleIn } from './enrolled.ts'
import { type Lab, refusal, startLab } from './lab.ts'

let lab: Lab
const refused = refusal()
if (refused !== undefined) console.error(`host tests are skipped: ${refused}`)
const lab_test = (name: string, work: () => Promise<void>) =>
  (refused === undefined ? test : test.skip)(name, work, 60_000)

beforeAll(async () => {
  if (refused !== undefined) return
  lab = await startLab()
  await settleIn(lab)
  await lab.setStack('e')
}, 60_000)

afterAll(async () => {
  await lab?.stop()
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
