// Where everything lies. Fixed, so that nothing in the environment can move it.

export const paths = {
  claims: '/run/open-bastion/claims',
  connections: '/run/open-bastion/connections',
  offlineSessions: '/run/open-bastion/offline_sessions',
  silence: '/run/open-bastion/silence.json',
  newcomers: '/run/open-bastion/newcomers',
  run: '/run/open-bastion',
  heartbeat: '/run/open-bastion/heartbeat.json',
  tokenLock: '/run/open-bastion/token.lock',
  discovery: '/run/open-bastion/discovery',
  notify: '/var/lib/open-bastion/notify',
  keptKeys: '/run/open-bastion/keys',
  keyFile: '/etc/open-bastion/cache.key',
  machineId: '/etc/machine-id',
  state: '/var/lib/open-bastion',
  secrets: '/var/lib/open-bastion/secrets',
  registry: '/var/lib/open-bastion/users.json',
  registryLock: '/var/lib/open-bastion/users.lock',
  extrausers: '/var/lib/extrausers',
  systemAuthorities: ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'],
} as const
