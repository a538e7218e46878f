// A host as Open Bastion's setup scripts and its PAM module left it: the fixture's files, its caches, and what it made
// of the portal's users.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { authCacheFileName, sealAuthEntry } from '../../src/offline/grants-format.ts'
import grants from '../vectors/auth-cache.json'
import passwords from '../vectors/offline-cache.json'
import { group, makeKnown, setRights } from './enrolled.ts'
import type { Lab } from './lab.ts'

const fixture = join(import.meta.dir, '../fixtures/open-bastion')

/** Files of the fixture that take the place of the host's. */
export const itsFiles = [
  '/etc/open-bastion/openbastion.conf',
  '/etc/open-bastion/nss_openbastion.conf',
  '/etc/pam.d/sshd',
  '/etc/pam.d/sudo',
  '/etc/pam.d/sudo-i',
  '/etc/ssh/sshd_config.d/00-open-bastion-backend.conf',
  '/etc/sudoers.d/open-bastion',
  '/etc/nsswitch.conf',
] as const

const [passwordSet] = passwords.sets
const [grantSet] = grants.sets

/** The passwords that its greeter had confirmed. */
export const keptPassword = (name: 'alice' | 'carol'): string =>
  passwordSet!.checks.find(({ user, expect_rc }) => user === name && expect_rc === 0)!.password

const serviceAccounts = '/etc/open-bastion/service-accounts.conf'

const iv = new Uint8Array(12).fill(7)

/** Everything that lies below these names in the end is what the other program left. */
export async function leaveOpenBastion(lab: Lab): Promise<void> {
  const text = (path: string) =>
    readFileSync(fixture + path, 'utf8')
      .replaceAll('PORTAL_URL', lab.portalUrl)
      .replaceAll('SERVER_GROUP', group)
  const bytes = (path: string, data: Uint8Array) => lab.need(`base64 -d > ${path}`, { stdin: data.toBase64() })
  await lab.need(`set -e
    rm -f /etc/ssh/sshd_config.d/* /etc/pam.d/open-bastion-* /etc/sudoers.d/*
    install -d -m 0755 /usr/local/sbin
    printf '#!/bin/sh\\nexec getent passwd "$1" | cut -d: -f1\\n' > /usr/local/sbin/ob-ssh-principals
    chmod 0755 /usr/local/sbin/ob-ssh-principals
    install -d -m 0711 /var/lib/open-bastion
    install -d -m 0700 /var/cache/open-bastion /var/cache/open-bastion/auth /var/cache/open-bastion/credentials`)
  for (const path of itsFiles) {
    const isSecret = path.endsWith('openbastion.conf') && !path.includes('nss')
    lab.write(path, text(path), 0o644)
    await lab.need(`chmod ${isSecret ? '600' : path.includes('sudoers') ? '440' : '644'} ${path}`)
  }
  for (const file of ['passwd', 'shadow', 'group'])
    lab.write(`/etc/${file}`, lab.text(`/etc/${file}`) + text(`/etc/${file}`))
  await lab.need(`set -e
    chmod 640 /etc/shadow
    for user in alice bob carol; do install -d -o $user -g 100 -m 0700 /home/$user; done
    install -d -o deploy -g deploy -m 0700 /home/deploy
    printf '%s' '${passwordSet!.machine_id_file!.trim()}' > /etc/machine-id; echo >> /etc/machine-id`)
  lab.write('/etc/open-bastion/portal-ca.pem', lab.portalCa)
  await lab.need(`set -e
    mkdir -p /root/keys
    ssh-keygen -q -t ed25519 -N '' -f /root/keys/deploy
    install -d -m 0755 /etc/open-bastion/service-accounts.d
    install -m 0644 /root/keys/deploy.pub /etc/open-bastion/service-accounts.d/deploy.pub`)
  const fingerprint = (await lab.need('ssh-keygen -lf /root/keys/deploy.pub')).split(' ')[1]!
  lab.write(serviceAccounts, text(serviceAccounts).replace('DEPLOY_FINGERPRINT', fingerprint), 0o600)
  // The command of its documentation leaves the key file readable (dd if=/dev/urandom).
  await bytes('/etc/open-bastion/cache.key', Uint8Array.fromHex(passwordSet!.key_file_hex!))
  const credentials = '/var/cache/open-bastion/credentials'
  await bytes(`${credentials}/.cred_salt`, Uint8Array.fromHex(passwordSet!.salt_hex))
  const host = (await lab.need('hostname')).trim()
  const auth = '/var/cache/open-bastion/auth'
  await bytes(`${auth}/.auth_salt`, Uint8Array.fromHex(grantSet!.salt_hex))
  for (const user of ['alice', 'carol']) {
    const kept = passwordSet!.entries.find((one) => one.user === user)!
    await bytes(`${credentials}/${kept.file}`, Uint8Array.fromHex(kept.file_bytes_hex))
    const entry = {
      ...{ user, authorized: true, sudoAllowed: user === 'alice', sudoNopasswd: false, expiresAt: 3_780_000_000 },
      ...{ groups: [], managedGroups: [], gecos: '', shell: '/bin/bash', home: `/home/${user}` },
    }
    const sealed = await sealAuthEntry(Uint8Array.fromHex(grantSet!.derived_key_hex), entry, iv)
    await bytes(`${auth}/${authCacheFileName({ user, host, group })}`, sealed)
  }
  await lab.need('chmod 600 /var/cache/open-bastion/*/.*salt /var/cache/open-bastion/*/*.*')
  await enrollThere(lab)
}

/** Its ob-enroll, without the ceremony. */
async function enrollThere(lab: Lab): Promise<void> {
  await setRights(lab)
  // Without it that implementation caches nothing.
  await lab.portal('setRules', { group, offline: { rule: true } })
  const tokens = (await lab.portal('enroll', {})) as Readonly<Record<string, unknown>>
  const { access_token, refresh_token } = tokens
  const now = Math.floor(Date.now() / 1000)
  const written = { access_token, refresh_token, expires_at: now + 3600, enrolled_at: now - 600 }
  lab.write('/var/lib/open-bastion/token', `${JSON.stringify(written, undefined, 2)}\n`)
  await lab.need('chmod 600 /var/lib/open-bastion/token')
  await lab.need(`set -e
    mkdir -p /root/keys && cd /root/keys
    for user in alice bob; do
      ssh-keygen -q -t ed25519 -N '' -f $user-certified
      ssh-keygen -q -s /root/authority -I $user-certified -n $user -V +1h $user-certified.pub
    done`)
  for (const user of ['alice', 'bob']) await makeKnown(lab, `${user}-certified`, user)
}
