// Keys that are no files: security keys of people, and an authority whose key is in a PKCS#11 token.
import { afterAll, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { askAuthority, certify, newKey, settleAuthority, stopAgent } from './authority.ts'
import { mintToken } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab(
  {},
  async (started) => {
    lab = started
    await settleAuthority(lab)
  },
  120_000,
)

const provider = 'build/tools/sk/sk-dummy.so'
const hasProvider = existsSync(join(import.meta.dir, '../..', provider))
const module = '/usr/lib/softhsm/libsofthsm2.so'
const left: string[] = []
if (!hasProvider) left.push(`security keys are skipped: ${provider} is not there (npm test fetches it)`)
if (!existsSync(module)) left.push('PKCS#11 is skipped: softhsm2 is not installed')
afterAll(() => {
  for (const line of left) console.error(line)
})

const when = (there: boolean) =>
  there ? lab_test : (name: string, _: () => Promise<void>) => test.skip(name, () => {})

for (const [name, type, listed] of [
  ['sk-ed25519', 'ed25519-sk', 'sk-ssh-ed25519-cert-v01@openssh.com'],
  ['sk-ecdsa', 'ecdsa-sk', 'sk-ecdsa-sha2-nistp256-cert-v01@openssh.com'],
] as const)
  when(hasProvider)(`a security key (${type}) is certified, and the certificate is a login`, async () => {
    const path = `${lab.space.repository}/${provider}`
    await lab.need(`SSH_SK_PROVIDER=${path} ssh-keygen -q -t ${type} -w ${path} -N '' -C '' -f /root/keys/${name}`)
    const option = `-o SecurityKeyProvider=${path}`
    const ran = await askAuthority(lab, name, `token ${await mintToken(lab, 'alice')}`, option)
    expect([ran.code, ran.stdout.split(' ')[0]]).toEqual([0, listed])
    expect(ran.stderr).toContain('_sk-cert.pub')
    lab.write(`/root/keys/${name}-cert.pub`, ran.stdout)
    const login = await lab.ssh({
      user: 'alice',
      key: `/root/keys/${name}`,
      options: ['-o', `SecurityKeyProvider=${path}`],
      command: 'id -un',
    })
    expect([login.code, login.stdout]).toEqual([0, 'alice\n'])
  })

const asAgent =
  'setpriv --reuid=open-bastion-ca --regid=open-bastion-ca --clear-groups env SOFTHSM2_CONF=/run/open-bastion-ca/conf'

for (const [name, how] of [
  ['rsa', '-algorithm RSA -pkeyopt rsa_keygen_bits:3072'],
  ['ecdsa', '-algorithm EC -pkeyopt ec_paramgen_curve:P-384 -pkeyopt ec_param_enc:named_curve'],
] as const)
  when(existsSync(module))(`an authority whose ${name} key is in a PKCS#11 token signs`, async () => {
    await stopAgent(lab)
    await lab.need(`set -e
      cd /run/open-bastion-ca && rm -rf tokens && install -d -o open-bastion-ca -m 0700 tokens
      echo 'directories.tokendir = /run/open-bastion-ca/tokens' > conf && chmod 0644 conf
      printf '#!/bin/sh\necho 1234\n' > pin && chmod 0755 pin
      openssl genpkey ${how} -out key.pem 2>/dev/null && chmod 0644 key.pem
      ${asAgent} softhsm2-util --init-token --free --label ca --pin 1234 --so-pin 5678 > /dev/null
      ${asAgent} softhsm2-util --import key.pem --token ca --label ca --id 01 --pin 1234 > /dev/null
      rm key.pem
      ${asAgent} ssh-agent -a /run/open-bastion-ca/agent -P '/usr/lib/*' > /dev/null
      ${asAgent} SSH_AUTH_SOCK=/run/open-bastion-ca/agent SSH_ASKPASS=/run/open-bastion-ca/pin SSH_ASKPASS_REQUIRE=force \
        ssh-add -q -s ${module}
      SSH_AUTH_SOCK=/run/open-bastion-ca/agent ssh-add -L > /etc/open-bastion/ca/user_ca.pub
      cat /etc/open-bastion/ca/user_ca.pub >> /etc/ssh/open-bastion_ca.pub`)
    await newKey(lab, `by-${name}`)
    expect((await certify(lab, `by-${name}`, 'alice')).code).toBe(0)
    const signed = await lab.need(`ssh-keygen -L -f /root/keys/by-${name}-cert.pub`)
    expect(signed).toMatch(name === 'rsa' ? /Signing CA: RSA .*using rsa-sha2-512/ : /Signing CA: ECDSA /)
    const login = await lab.ssh({ user: 'alice', key: `/root/keys/by-${name}`, command: 'id -un' })
    expect([login.code, login.stdout]).toEqual([0, 'alice\n'])
  })
