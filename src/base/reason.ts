// Every reason a decision can have: a stable word (for scripts), a text for the log, and the text that the person may
// read. People get few distinct texts, and none of them shows whether an account exists.

export type PublicText =
  | 'none'
  | 'denied'
  | 'unavailable'
  | 'broken'
  | 'not-allowed'
  | 'unmapped'
  | 'serve-away'
  | 'not-your-name'
  | 'busy'
  | 'again'
  | 'challenge'
  | 'not-vouched'
  | 'need-hop'
  | 'certificate'
  | 'hop-refused'
  | 'log-in-again'

const publicTexts: Record<PublicText, string> = {
  none: '',
  denied:
    'Access denied. Check the token; after several tries wait a while; on your first login here, connect once more.',
  unavailable: 'The single sign-on portal cannot be reached right now. Try again in a moment.',
  broken: 'This host cannot check your access right now. Tell its administrator.',
  'not-allowed': 'Your organisation does not allow this access.',
  unmapped: 'This kind of login is not set up for single sign-on. Tell the administrator: service_map has no entry.',
  'not-your-name': 'Single sign-on unlocks only the screen of the portal user who locked it.',
  challenge:
    'Access denied. Each challenge has a code of its own and can be answered once; after several tries wait a while.',
  certificate: 'Log in here with a certificate that names you; the account itself has no password and no keys.',
  again: 'The single sign-on portal can be reached again. Log in with a new token.',
  busy: 'Too many attempts to unlock. Wait a moment.',
  'not-vouched': 'This host does not accept what the bastion says about this connection. Tell its administrator.',
  'hop-refused': 'The portal does not vouch for you on this host, so you cannot go on to others from here.',
  'log-in-again': 'Your login here is too old to go on to other hosts. Log in to this host again.',
  'need-hop': 'This host is reached through a bastion only. Log in to the bastion, then run: ob proxy HOST',
  'serve-away':
    'Single sign-on cannot unlock the screen: ob-serve does not answer on this host. Tell its administrator.',
}

const reasons = {
  // auth
  'token-accepted': ['the portal accepted the one-time token', 'none'],
  'no-token': ['nothing was typed at the prompt', 'denied'],
  'token-cut': ['the answer was 511 bytes or longer; pam_exec cuts there, so it cannot be believed', 'denied'],
  'token-malformed': ['the answer holds bytes that no token has', 'denied'],
  'not-a-token': [
    'what was typed cannot be a token of this portal (token_pattern), so the portal did not see it',
    'denied',
  ],
  'prove-again': ['a password was taken while the portal was away, and now the portal answers', 'again'],
  'token-rejected': ['the portal rejected the token', 'denied'],
  'token-replayed': ['the token was used on this host before', 'denied'],
  'token-of-another-user': ['the token belongs to another user', 'denied'],
  'access-token-accepted': ['the portal says that the access token is active, and it is one for this host', 'none'],
  'token-unsuitable': ['the access token is not one for logging in here (its client, scope or type)', 'denied'],
  'token-expiring': ['the access token ends too soon', 'denied'],
  // web login: the texts for the person are those of webText
  'weblogin-asked': ['the address of a web login was shown', 'none'],
  'weblogin-confirmed': ['the web login confirmed the user, and its code came back on this connection', 'none'],
  'weblogin-approved': ['a web login of the same user, address and key is recent enough', 'none'],
  'weblogin-not-approved': ['no web login of the same user, address and key is recent enough', 'none'],
  'weblogin-no-code': ['nothing was typed where the code of the web login belongs', 'denied'],
  'weblogin-malformed-code': ['what was typed cannot be a code of the web login', 'denied'],
  'weblogin-not-asked': ['no web login was started on this connection, or it is over', 'denied'],
  'weblogin-too-early': ['a code was typed before the web login showed one', 'denied'],
  'weblogin-wrong-code': ['the code is not the one that the web login showed', 'denied'],
  'weblogin-expired': ['the web login took too long, or its code was used already', 'denied'],
  'weblogin-refused': ['the web login was refused there: by the person, or by the service', 'denied'],
  'weblogin-other-user': ['somebody else logged in on the web', 'denied'],
  'weblogin-needs-key': ['codes of pam-weblogin count only after an ssh key was proven', 'denied'],
  'weblogin-no-record': ['nobody was confirmed by a web login on this very connection', 'not-allowed'],
  'weblogin-not-listed': [
    'weblogin_allow or weblogin_sudo does not name the user or a group of the user',
    'not-allowed',
  ],
  'weblogin-local-account': ['a web login is for no local account, unless weblogin_allow names it', 'not-allowed'],
  'weblogin-unreachable': ['the service of the web login gave no answer', 'unavailable'],
  'weblogin-garbled': ['the service of the web login answered something that is not its protocol', 'unavailable'],
  'weblogin-refuses-host': ['the service of the web login does not know this host', 'broken'],
  'locked-out': ['too many failures for this user from this source', 'denied'],
  'unknown-to-sshd': ['sshd does not know the user, so the answer is its placeholder and not what was typed', 'denied'],
  'newcomer-registered': ['the portal knows the user; the account is ready for the next connection', 'denied'],
  'authorize-only': ['authorize_only is set: this host authenticates nobody but for sudo', 'denied'],
  'root-refused': ['root is never decided by the portal; the PAM stack must exempt it', 'not-allowed'],
  'local-account': ['the name is an account of this host about which the portal has no say', 'denied'],
  'bad-login-name': ['the user name is not one this program accepts', 'denied'],
  // account and session
  'portal-allowed': ['the portal allows the user on this host', 'none'],
  'service-unmapped': [
    'the portal knows no such service and service_map has no entry for it, so nobody was asked',
    'unmapped',
  ],
  'portal-denied': ['the portal denies the user on this host', 'not-allowed'],
  'sudo-allowed': ['the portal allows sudo', 'none'],
  'sudo-denied': ['the portal does not allow sudo', 'not-allowed'],
  'root-exempt': ['root runs sudo; the portal is not asked', 'none'],
  'key-denied': ['the portal does not accept the proven key for this user', 'not-allowed'],
  'key-policy': ['the proven key is of a type or size this host refuses', 'not-allowed'],
  'no-proof': ['sshd did not say what was proven (SSH_AUTH_INFO_0 is missing or unreadable)', 'broken'],
  'session-opened': ['the session may begin', 'none'],
  'offline-password': ['the portal is away; the password is one it confirmed before', 'none'],
  'offline-password-wrong': ['the portal is away; the password is not the one it confirmed', 'unavailable'],
  'offline-password-locked': ['the portal is away; too many wrong passwords', 'unavailable'],
  'token-remembered': ['the portal called this token active a moment ago', 'none'],
  'offline-allowed': ['the portal is away; what it said before allows the user', 'none'],
  'offline-sudo-allowed': ['the portal is away; what it said before allows sudo', 'none'],
  'offline-key-accepted': ['the portal is away; it accepted this key before', 'none'],
  'online-only': ['the portal gave no answer, and force_online names the user', 'unavailable'],
  'cache-too-old': ['the portal gave no answer, and what it said before is too old for this service', 'unavailable'],
  'cache-limited': ['the portal gave no answer, and the cache was asked too often', 'unavailable'],
  'cache-tampered': ['the cached authorization was changed by somebody else', 'broken'],
  'key-accepted': ['the portal accepts the proven key; the session may begin', 'none'],
  'session-closed': ['the session ended', 'none'],
  'not-our-session': ['nothing to do for a session of this service', 'none'],
  // OpenPGP challenges and recovery codes
  'challenge-shown': ['a challenge was shown', 'none'],
  'challenge-not-offered': ['no challenge is offered now: gpg_services or gpg_when says so', 'none'],
  'challenge-answered': ['the code of the challenge was typed', 'none'],
  'break-glass': ['the portal is away; the user proved a key or a recovery code, and may break the glass', 'none'],
  'recovery-code-accepted': ['a recovery code was typed, which is spent now', 'none'],
  'challenge-missing': ['no challenge waits for an answer of this program', 'challenge'],
  'challenge-late': ['the challenge was answered too late', 'challenge'],
  'challenge-of-another': ['the challenge was made for another user, service or connection', 'challenge'],
  'challenge-wrong': ['what was typed is not the code of the challenge', 'challenge'],
  'challenge-without-key': ['the user has no key here that a challenge could be encrypted to', 'challenge'],
  'challenge-key-changed': ['the key file of the user changed while the challenge waited', 'challenge'],
  'challenge-not-for-user': ['gpg_users and gpg_groups do not name the user', 'challenge'],
  'recovery-code-wrong': ['what was typed is not a recovery code of the user, or it was spent before', 'challenge'],
  // screen lockers
  unlocked: ['ob serve says that the user may unlock the screen', 'none'],
  'unlock-refused': ['ob serve says that the user may not unlock the screen', 'denied'],
  'not-your-name': ['the caller is no user of the portal, or asked about somebody else', 'not-your-name'],
  'asked-too-often': ['the caller asked to unlock too often', 'busy'],
  'serve-away': ['ob serve does not answer; it decides for programs that do not run as root', 'serve-away'],
  'no-account': ['the user has no account here; ob serve runs with an older configuration', 'broken'],
  'account-impossible': ['the account cannot be made on this host', 'broken'],
  // service accounts
  'service-account-allowed': [
    'service-accounts.conf allows this account; its key is judged when the session opens',
    'none',
  ],
  'service-account-opened': ['the proven key is the one of this service account; the session may begin', 'none'],
  'service-account-sudo': ['service-accounts.conf allows this account sudo', 'none'],
  'service-account-key-only': ['a service account proves itself over ssh with its key and with nothing else', 'denied'],
  'service-account-other-key': ['the proven key is not the one of this service account', 'not-allowed'],
  'service-account-no-sudo': ['service-accounts.conf does not allow this account sudo', 'not-allowed'],
  'service-account-broken': ['the section of this service account has an error, so it is no account', 'broken'],
  // accounts that turn into a person
  'functional-account': ['the account turns into a person; who that is, is decided when the session opens', 'none'],
  'functional-ssh-only': ['the account is for ssh only', 'not-allowed'],
  'certificate-needed': ['the account takes a certificate that names a person, and nothing else', 'certificate'],
  'person-refused': [
    'the certificate or token names root, an account of this host or another functional account',
    'not-allowed',
  ],
  'person-identified': ['a certificate or a token names the person, and the portal allows that person here', 'none'],
  switched: ['the session became the person’s', 'none'],
  'switch-not-possible': ['no record of a fresh login belongs to this connection, or it was used', 'not-allowed'],
  // this host's certificate authority
  'certificate-issued': ['a certificate was signed', 'none'],
  'authority-shown': ['the public part of the authority was shown', 'none'],
  'ca-not-a-plain-key': ['a certificate was offered where a plain key is signed', 'not-allowed'],
  'ca-revoked': ['the person or the key was revoked here and gets no new certificate', 'not-allowed'],
  'ca-unknown-host': ['the key is not one of a host that this authority enrolled', 'not-allowed'],
  'ca-cannot-sign': ['the agent that holds the key of the authority does not sign', 'broken'],
  // keys
  'keys-listed': ['keys were found for the user', 'none'],
  'no-keys': ['no keys are known for the user', 'none'],
  'principal-listed': ['the certificate names the user', 'none'],
  'no-principal': ['the certificate is not one for this user', 'none'],
  'krl-stale': ['the revocation list is older than krl_max_age allows', 'broken'],
  'krl-written': ['the revocation list of the portal was put in place', 'none'],
  'krl-refused': ['the revocation list of the portal was not believed', 'none'],
  // hops: what a bastion says about a connection
  'hop-vouched': ['the portal vouches for this connection', 'none'],
  'hop-offline': [
    'the portal is unreachable; a bastion vouches for the user, and bastion_jwt_offline_login is set',
    'none',
  ],
  'hop-pending': [
    'the portal is unreachable and bastion_jwt_offline_login is set; the session phase decides by what the key proves',
    'none',
  ],
  'hop-required': ['bastion_jwt_required is set and no bastion vouches for this login', 'need-hop'],
  'hop-not-configured': ['a certificate for a hop, and bastion_jwt_allowed_bastions names no bastion', 'not-vouched'],
  'hop-malformed': ['the bastion token is no token (size, form, header or payload)', 'not-vouched'],
  'hop-algorithm': [
    'the bastion token is signed with an algorithm that bastion_jwt_algorithms does not name',
    'not-vouched',
  ],
  'hop-key-unknown': ['no cached key of the portal has the key ID of the bastion token', 'not-vouched'],
  'hop-keys-stale': ['the cached keys of the portal are older than bastion_jwt_offline_max', 'not-vouched'],
  'hop-signature': ['the signature of the bastion token is wrong', 'not-vouched'],
  'hop-issuer': ['the bastion token is from another issuer', 'not-vouched'],
  'hop-audience': ['the bastion token is not meant for backends', 'not-vouched'],
  'hop-claims': ['the bastion token lacks a claim, or has it with another type', 'not-vouched'],
  'hop-expired': ['the bastion token has expired', 'not-vouched'],
  'hop-early': ['the bastion token is not valid yet', 'not-vouched'],
  'hop-user': ['the bastion vouches for another user', 'not-vouched'],
  'hop-bastion': ['bastion_jwt_allowed_bastions does not name this bastion', 'not-vouched'],
  'hop-target': ['the bastion vouches for another host', 'not-vouched'],
  'hop-group': ['the bastion vouches for a host of another group', 'not-vouched'],
  'hop-key': ['the bastion token is bound to another key', 'not-vouched'],
  'hop-replayed': ['the bastion token was used with another key before', 'not-vouched'],
  'hop-certificate': ['the certificate that carries the proof of a hop is not made as it must be', 'not-vouched'],
  'hop-window': ['the certificate is valid for longer than the bastion token in it', 'not-vouched'],
  'hop-denied': ['the portal does not vouch for the user', 'hop-refused'],
  'hop-voucher': ['the portal has no voucher for the user on this bastion, or it has expired', 'log-in-again'],
  // sessions that began offline
  'silent-too-long': [
    'the portal is silent although the network is there, for longer than offline sessions may last',
    'unavailable',
  ],
  // the portal or this host
  'portal-unreachable': ['the portal gave no answer', 'unavailable'],
  'portal-out-of-order': ['the portal answers nonsense: something else answers in its place', 'unavailable'],
  'portal-garbled': ['the portal answered, and what it answered cannot be used', 'unavailable'],
  'portal-refuses-host': ['the portal refuses this host', 'broken'],
  'portal-untrusted': ['the portal’s certificate or pin was refused', 'broken'],
  'audit-unwritable': ['audit_required is set and no audit line could be written', 'broken'],
  'deadline-passed': ['no verdict before the deadline', 'unavailable'],
  'decision-lost': ['ob serve ended or froze while it decided, and a token may be used up', 'unavailable'],
  fault: ['this program or its installation is broken', 'broken'],
  // administration
  done: ['done', 'none'],
  'no-secret': ['there is no such secret', 'none'],
  'found-problems': ['something is wrong', 'none'],
  'host-unsafe': ['somebody gets in who must not, or nobody gets in', 'none'],
  'gave-up': ['the person or the portal ended it', 'none'],
} as const satisfies Record<string, readonly [string, PublicText]>

export type Reason = keyof typeof reasons

export const everyReason = Object.keys(reasons) as readonly Reason[]

/** The text for the audit log. */
export const auditText = (reason: Reason): string => reasons[reason][0]

/** Said instead of the sentence about tokens, for every refusal of a code: it must not tell what was wrong. */
export const webText = (reason: Reason): string | undefined =>
  reasons[reason][1] === 'denied'
    ? 'Access denied. Log in at the address, confirm there, and type the code that\n' +
      'its page shows then. After several tries wait a while; on your first login\n' +
      'here, connect once more.'
    : undefined

/** Outside ssh there is no second connection, and greeters cut long texts. */
const shortDenied = 'Access denied. Check the token; after several tries wait a while.'

/** The one sentence the person may read; empty when there is none. */
export function personText(reason: Reason, overSsh = false): string {
  const [, voice] = reasons[reason]
  return voice === 'denied' && !overSsh ? shortDenied : publicTexts[voice]
}
