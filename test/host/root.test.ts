// root repairs a host whose portal is gone, and the portal never makes anybody root by a login.
import { expect } from 'bun:test'
import { configure, group, mintToken, rules, settleIn } from './enrolled.ts'
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

// A name of uid 0 is root to the kernel and to PAM's modules, and a stranger to sshd's "Match User root".
lab_test(
  'a second name for root is no way in: by a certificate, a key, a token or the right Unix password',
  async () => {
    const password = 'toor-knows-this'
    await lab.need(`cp -p /etc/passwd /etc/shadow /root/
    echo 'toor:x:0:0::/root:/bin/bash' >> /etc/passwd && echo 'toor:*:19000:0:99999:7:::' >> /etc/shadow
    echo 'toor:${password}' | chpasswd
    echo 'PermitRootLogin yes' > /etc/ssh/sshd_config.d/00-first.conf
    cd /root/keys && ssh-keygen -q -t ed25519 -N '' -f toor && cp toor toor-certified && cp toor.pub toor-certified.pub &&
    ssh-keygen -q -s /root/authority -I toor -n toor -V +1h toor-certified.pub
    install -m 0644 toor.pub /etc/open-bastion/authorized_keys.d/toor`)
    await lab.portal('setUser', { user: 'toor', groups: ['ops'] })
    try {
      lab.audit()
      const certified = await lab.ssh({ user: 'toor', key: '/root/keys/toor-certified' })
      expect([certified.entered, lab.audit().map(({ reason }) => reason)]).toEqual([false, ['local-account']])
      await lab.setStack('c')
      const keyed = await lab.ssh({ user: 'toor', key: '/root/keys/toor' })
      expect([keyed.entered, await lab.run('ob keys toor').then(({ stdout }) => stdout)]).toEqual([false, ''])
      await lab.setStack('b')
      for (const answer of [password, await mintToken(lab, 'toor')]) {
        const typed = await lab.ssh({ user: 'toor', answers: [answer] })
        expect([answer === password, typed.entered]).toEqual([answer === password, false])
      }
      expect((await lab.ssh({ user: 'root', key: '/root/.ssh/id_root' })).entered).toBe(true)
    } finally {
      await lab.need(
        'cat /root/passwd > /etc/passwd; cat /root/shadow > /etc/shadow; rm /etc/open-bastion/authorized_keys.d/toor /etc/ssh/sshd_config.d/00-first.conf',
      )
      await lab.setStack('e')
    }
  },
)

// The C library skips blanks before a line, and reads a sign before a number.
lab_test('a second name for root that no tool would write like this is no way in either', async () => {
  await lab.need("cp -p /etc/passwd /etc/shadow /root/; echo 'toor:*:19000:0:99999:7:::' >> /etc/shadow")
  await lab.portal('setUser', { user: 'toor' })
  await lab.portal('setRules', { group, ssh: [...rules.ssh, 'toor'], sudo: rules.sudo })
  await configure(lab, 'create_user = false\n')
  lab.write('/etc/ssh/sshd_config.d/00-first.conf', 'PermitRootLogin yes\n')
  await lab.setStack('b')
  for (const line of [
    '  toor:x:0:0::/root:/bin/bash',
    'toor:x:+0:0::/root:/bin/bash',
    'toor:x:-0:0::/root:/bin/bash',
  ]) {
    await lab.need(`cat /root/passwd > /etc/passwd; echo '${line}' >> /etc/passwd`)
    expect((await lab.need('id -u toor')).trim()).toBe('0')
    lab.audit()
    const typed = await lab.ssh({ user: 'toor', answers: [await mintToken(lab, 'toor')], command: 'id -u' })
    expect([line, typed.stdout, lab.audit().at(-1)?.reason]).toEqual([line, '', 'local-account'])
  }
  await lab.need(
    'cat /root/passwd > /etc/passwd; cat /root/shadow > /etc/shadow; rm /etc/ssh/sshd_config.d/00-first.conf',
  )
  await configure(lab)
  await lab.setStack('e')
})
