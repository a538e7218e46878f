// The systemd unit of the agent that holds the authority's keys. Printed into packaging/systemd, and written by
// ob ca init where no package brought it.

export const agentUser = 'open-bastion-ca'
export const agentDirectory = `/var/lib/${agentUser}`

export const agentUnit = `# The ssh-agent that holds the keys of this host's certificate authority (ob ca). It is a
# stock ssh-agent and runs as a user of its own: ob asks it to sign over its socket and never reads a key. Only root and
# this user may talk to it (ssh-agent(1)).
#
# Keys in a token (PKCS#11) instead of files: a drop-in with
#   [Service]
#   ExecStart=
#   ExecStart=/usr/bin/ssh-agent -D -a /run/${agentUser}/agent -P /usr/lib/*/softhsm/*
#   Environment=SSH_ASKPASS=/etc/open-bastion/ca/pin SSH_ASKPASS_REQUIRE=force
#   ExecStartPost=/usr/bin/ssh-add -q -s /usr/lib/…/libsofthsm2.so
# where the program /etc/open-bastion/ca/pin (owner root, group ${agentUser}, mode 0750) prints the PIN.
[Unit]
Description=Agent with the keys of the ssh certificate authority
Documentation=man:ob(8) man:ssh-agent(1)

[Service]
User=${agentUser}
RuntimeDirectory=${agentUser}
RuntimeDirectoryMode=0700
StateDirectory=${agentUser}
StateDirectoryMode=0700
Environment=SSH_AUTH_SOCK=/run/${agentUser}/agent
ExecStart=/usr/bin/ssh-agent -D -a /run/${agentUser}/agent
# The agent makes its socket a moment after it starts.
ExecStartPost=/bin/sh -c 'until [ -S "$SSH_AUTH_SOCK" ]; do sleep 0.1; done'
ExecStartPost=/bin/sh -c 'for key in ${agentDirectory}/*.key; do [ ! -e "$key" ] || ssh-add -q "$key" || exit 1; done'
TimeoutStartSec=20
Restart=on-failure

UMask=0077
UnsetEnvironment=LD_PRELOAD LD_LIBRARY_PATH
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateNetwork=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
LimitCORE=0
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`
