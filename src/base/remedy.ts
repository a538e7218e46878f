// What an administrator can do about a refusal. Said by `ob why`, never to the person at the door.
import type { Reason } from './reason.ts'

const remedies: Partial<Record<Reason, string>> = {
  'no-token': 'the person has to type a one-time token from the portal (page /pam)',
  'token-cut': 'use the one-time token of the portal; long tokens cannot pass PAM',
  'token-malformed': 'copy the token once more, without anything around it',
  'token-rejected': 'get a new token; each works once and only for a few minutes',
  'token-replayed': 'get a new token; each works once',
  'token-of-another-user': 'log in with the name the token was made for, or find out who used whose token',
  'token-unsuitable':
    'use a token of client_id, or name its client in oauth2_token_clients; tokens of servers never work',
  'token-expiring': 'get a new access token; oauth2_token_min_ttl says how long it must be good for',
  'locked-out': 'wait; or remove the state file named in ob why USER --rhost ADDRESS',
  'unknown-to-sshd':
    'the portal does not know or allow this name here; or set create_user = true, or run: ob nss add USER',
  'newcomer-registered': 'connect once more: sshd looks names up once, before PAM runs',
  'authorize-only': 'authorize_only is set; remove ob from the auth lines of this stack',
  'bad-login-name': 'names here are 1 to 32 of a–z 0–9 _ - . and begin with a letter or _',
  'root-refused': 'exempt root in the stack, as the files in pam.d/ do',
  'portal-denied': 'change the ssh rule of this server group at the portal',
  'service-unmapped':
    'write service_map = SERVICE=ssh to ask the portal whether the user may log in by ssh; unlock stands for lockers',
  'serve-away': 'run: systemctl enable --now ob-serve; and name unlock in service_map',
  'sudo-denied': 'change the sudo rule of this server group at the portal',
  'key-denied': 'sign this key at the portal, or set fingerprint_binding = never',
  'key-policy': 'use another key, or change ssh_key_allowed_types and ssh_key_min_…_bits',
  'service-account-key-only':
    'log in with the key of the account; for sudo without a password set sudo_nopasswd = true in service-accounts.conf',
  'service-account-other-key':
    'correct key_fingerprint in service-accounts.conf, or remove the other key of this account',
  'service-account-no-sudo': 'set sudo_allowed = true for this account in service-accounts.conf',
  'service-account-broken': 'ob service-account check names the lines',
  'krl-stale': 'run: ob krl update; and see that its timer is active: systemctl enable --now ob-krl.timer',
  'krl-refused':
    'ask the portal’s administrator what happened to the list; then: ob krl update --allow-empty if it is right',
  'no-proof': 'OpenSSH 7.6 or later is needed, and no PAM module may change SSH_AUTH_INFO_0',
  'account-impossible': 'the details above name what is in the way',
  'silent-too-long': 'find out what keeps the portal from answering; offline_max_sso_unreachable is the limit',
  'offline-password-wrong': 'mend the portal or the network; one-time tokens need it',
  'offline-password-locked': 'wait, or run: ob cache unlock USER',
  'online-only': 'mend the portal or the network; or take the user out of the force_online file',
  'cache-too-old': 'mend the portal or the network; cache_ttl_high_risk is the age allowed for high_risk_services',
  'cache-limited': 'wait; cache_rate_limit_… are the keys',
  'cache-tampered': 'find out who writes to the cache directory; ob cache invalidate USER removes the entry',
  'portal-unreachable': 'check the network and the portal; ob doctor tries it',
  'portal-garbled': 'check portal_url and that the PAM plugin of the portal is active',
  'portal-refuses-host': 'ob enroll --force',
  'portal-untrusted': 'check ca_cert, cert_pin and portal_url; somebody may be in between',
  'audit-unwritable': 'make room for, or mend, the audit log',
  'deadline-passed': 'the portal is too slow; ob doctor measures it',
  fault: 'the details above name the file; ob doctor checks everything',
}

export const remedyFor = (reason: Reason): string | undefined => remedies[reason]
