// Where everything lies. Fixed, so that nothing in the environment can move it.

export const paths = {
  usedTokens: '/run/open-bastion/claims',
  connections: '/run/open-bastion/connections',
  /** What was proven on connections to functional accounts, for seconds. */
  proven: '/run/open-bastion/proven',
  provenKeys: '/run/open-bastion/proven_keys',
  /** Which sessions are open, where something must be forgotten when they end. */
  openSessions: '/run/open-bastion/open_sessions',
  offlineProofs: '/run/open-bastion/offline_proofs',
  offlineSessions: '/run/open-bastion/offline_sessions',
  timedOutPortal: '/run/open-bastion/silent-portal',
  refusedPortal: '/run/open-bastion/absent-portal',
  silence: '/run/open-bastion/silence.json',
  unknownUsers: '/run/open-bastion/newcomers',
  run: '/run/open-bastion',
  weblogin: '/run/open-bastion/weblogin',
  webloginRevoked: '/var/lib/open-bastion/weblogin-revoked',
  heartbeat: '/run/open-bastion/heartbeat.json',
  /** The portal refused this host; the second where the disk takes nothing. */
  hostRefused: '/var/lib/open-bastion/refused-by-portal',
  hostRefusedNow: '/run/open-bastion/refused-by-portal',
  tokenLock: '/run/open-bastion/token.lock',
  discovery: '/run/open-bastion/discovery',
  notify: '/var/lib/open-bastion/notify',
  keptKeys: '/run/open-bastion/keys',
  keyFile: '/etc/open-bastion/cache.key',
  machineId: '/etc/machine-id',
  state: '/var/lib/open-bastion',
  generations: '/var/lib/open-bastion/generations',
  secrets: '/var/lib/open-bastion/secrets',
  /** Serials, the list of certificates and revocations of this host's own authority. */
  ca: '/var/lib/open-bastion/ca',
  /** The revocation list of this host's own authority, for a web server to hand out. */
  ownRevocations: '/var/lib/open-bastion/revoked_keys',
  /** The certificate of this host's own key, for HostCertificate of sshd. */
  hostCertificate: '/var/lib/open-bastion/ssh_host_ed25519_key-cert.pub',
  /** Hosts whose keys the own authority signs. */
  caHosts: '/etc/open-bastion/ca/hosts',
  registry: '/var/lib/open-bastion/users.json',
  exportedKeys: '/var/lib/open-bastion/keys',
  /** What sshd's helpers may know about hops; there where hops are configured. */
  hopPolicy: '/var/lib/open-bastion/hops.json',
  /** Which key proved itself first with which bastion token. */
  hops: '/var/lib/open-bastion/hops',
  /** Where `ob serve` listens for ob proxy. */
  hopSocket: '/run/open-bastion/hop',
  /** What the portal gave with a login, for hops from here: one file a user. */
  vouchers: '/run/open-bastion/vouchers',
  /** That somebody tried to fetch the keys of the portal a moment ago. */
  keysTried: '/run/open-bastion/jwks-tried',
  publicPolicy: '/var/lib/open-bastion/public.json',
  authorizedKeys: '/etc/open-bastion/authorized_keys.d',
  authorizedKeysChain: '/etc/open-bastion/authorized_keys_chain',
  serviceKeys: '/etc/open-bastion/service-accounts.d',
  /** The login shell that makes an account a functional one. */
  functionalShell: '/usr/sbin/ob-shell',
  revokedKeys: '/etc/ssh/revoked_keys',
  /** The changes since users.json was written. */
  journal: '/var/lib/open-bastion/users.journal',
  /** Size and time of the export files when they last agreed with the registry. */
  seal: '/var/lib/open-bastion/export.json',
  /** Uids that `ob serve` gave sshd for first-time users, one empty file each. */
  uidReservations: '/run/open-bastion/promises',
  /** Where `ob serve` listens for screen lockers. */
  unlock: '/run/open-bastion/unlock',
  /** Where `ob serve` listens for PAM phases of root. */
  phases: '/run/open-bastion/phases',
  /** With which configuration `ob serve` runs. */
  served: '/run/open-bastion/serve.json',
  serveLock: '/run/open-bastion/serve.lock',
  userdb: '/run/systemd/userdb',
  registryLock: '/var/lib/open-bastion/users.lock',
  /** Public OpenPGP keys, one file a user. */
  gpgKeys: '/etc/open-bastion/gpg',
  gpgPending: '/run/open-bastion/gpg',
  gpgPassed: '/run/open-bastion/gpg-passed',
  recovery: '/var/lib/open-bastion/recovery',
  extrausers: '/var/lib/extrausers',
  systemAuthorities: ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'],
} as const

/** The directory of an absolute path, as dirname(1). Here, because what sshd runs for every key needs it. */
export const dirname = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'
