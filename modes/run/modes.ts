// Every mode, by its first argument. Each is loaded on demand: a login loads only what it uses.
import type { ModeEntry, WholeEntry } from './mode.ts'
import { sshdModes } from './sshd-modes.ts'

/** The modes that a person or a timer runs, and `ob serve`. */
export const wholeModes: ReadonlyMap<string, WholeEntry> = new Map<string, WholeEntry>([
  [
    'setup',
    {
      caller: 'admin',
      summary: 'set this host up for one way to log in, with a way back',
      deadlineSeconds: 0,
      load: () => import('../admin/setup.ts'),
    },
  ],
  [
    'uninstall',
    {
      caller: 'admin',
      summary: 'put back every file from before the first set-up, and say what is different now',
      deadlineSeconds: 0,
      load: () => import('../admin/uninstall.ts'),
    },
  ],
  [
    'status',
    {
      caller: 'admin',
      summary: 'show who this host is to the portal and how it is',
      deadlineSeconds: 0,
      load: () => import('../admin/status.ts'),
    },
  ],
  [
    'doctor',
    {
      caller: 'admin',
      summary: 'say whether this host is sound, the worst finding first',
      deadlineSeconds: 0,
      load: () => import('../admin/doctor.ts'),
    },
  ],
  [
    'why',
    {
      caller: 'admin',
      summary: 'say what would be decided for a user, and why',
      deadlineSeconds: 0,
      load: () => import('../admin/why.ts'),
    },
  ],
  [
    'enroll',
    {
      caller: 'admin',
      summary: 'enroll this host at the portal',
      deadlineSeconds: 0,
      load: () => import('../admin/enroll.ts'),
    },
  ],
  [
    'config',
    {
      caller: 'admin',
      summary: 'check the configuration, or migrate one of Open Bastion',
      deadlineSeconds: 0,
      load: () => import('../admin/config.ts'),
    },
  ],
  [
    'secret',
    {
      caller: 'admin',
      summary: 'keep secrets sealed: set, get, list, remove, rotate, import',
      deadlineSeconds: 0,
      load: () => import('../admin/secret.ts'),
    },
  ],
  [
    'nss',
    {
      caller: 'admin',
      summary: 'list, add and export the accounts of portal users',
      deadlineSeconds: 0,
      load: () => import('../admin/nss.ts'),
    },
  ],
  [
    'service-account',
    {
      caller: 'admin',
      summary: 'add, list, check and remove accounts for programs, each bound to one key',
      deadlineSeconds: 0,
      load: () => import('../admin/service-account.ts'),
    },
  ],
  [
    'cache',
    {
      caller: 'admin',
      summary: 'show, destroy and unlock what is kept for when the portal is away',
      deadlineSeconds: 0,
      load: () => import('../admin/cache.ts'),
    },
  ],
  [
    'krl',
    {
      caller: 'admin',
      summary: 'fetch the revocation list of the portal for sshd, or show how old it is',
      deadlineSeconds: 60,
      load: () => import('../timer/krl.ts'),
    },
  ],
  [
    'heartbeat',
    {
      caller: 'admin',
      summary: 'renew the server token and tell the portal about this host; a timer runs it',
      deadlineSeconds: 60,
      load: () => import('../timer/heartbeat.ts'),
    },
  ],
  [
    'monitor',
    {
      caller: 'admin',
      summary: 'ask the portal about sessions that began while it was away',
      deadlineSeconds: 0,
      load: () => import('../timer/monitor.ts'),
    },
  ],
  [
    'notify',
    {
      caller: 'admin',
      summary: 'webhooks: try the receiver, deliver and list events that wait',
      deadlineSeconds: 60,
      load: () => import('../admin/notify.ts'),
    },
  ],
  [
    'gpg',
    {
      caller: 'admin',
      summary: 'public OpenPGP keys of people: add, list, check, remove, test; ask and check in PAM stacks',
      deadlineSeconds: 0,
      load: () => import('../admin/gpg.ts'),
    },
  ],
  [
    'recovery',
    {
      caller: 'admin',
      summary: 'one-time recovery codes of people: make, list, remove',
      deadlineSeconds: 0,
      load: () => import('../admin/recovery.ts'),
    },
  ],
  [
    'weblogin',
    {
      caller: 'pam',
      byHand: 'admin',
      summary: 'log in on the web and type a code back; see and revoke what still counts',
      deadlineSeconds: 25,
      load: () => import('../pam/weblogin.ts'),
    },
  ],
  [
    'proxy',
    {
      caller: 'ssh',
      summary: 'go on from this bastion to another host: ssh, scp, sftp or rsync, vouched for by the portal',
      deadlineSeconds: 0,
      load: () => import('../user/proxy.ts'),
    },
  ],
  [
    'ca',
    {
      caller: 'admin',
      summary: 'this host as a certificate authority: init, status, list, rotate, revoke, restore, host',
      deadlineSeconds: 0,
      load: () => import('../admin/ca.ts'),
    },
  ],
  [
    'trust',
    {
      caller: 'admin',
      summary: 'print the lines with which clients and hosts trust the authority of this host',
      deadlineSeconds: 0,
      load: () => import('../admin/trust.ts'),
    },
  ],
  [
    'portal',
    {
      caller: 'admin',
      summary: 'the web service for logins with a browser: run it, explain a token, manage its hosts',
      deadlineSeconds: 0,
      load: () => import('../daemon/portal.ts'),
    },
  ],
  [
    'version',
    { caller: 'admin', summary: 'print the version', deadlineSeconds: 5, load: () => import('../admin/version.ts') },
  ],
  [
    'help',
    {
      caller: 'admin',
      summary: 'print this list, or explain one mode: ob help MODE',
      deadlineSeconds: 5,
      load: () => import('../admin/help.ts'),
    },
  ],
  [
    'serve',
    {
      caller: 'admin',
      isHelper: true,
      summary: 'answer nss-systemd about portal users, until it is told to stop',
      deadlineSeconds: 0,
      load: () => import('../daemon/serve.ts'),
    },
  ],
  [
    'unlock',
    {
      caller: 'pam',
      isHelper: true,
      summary: 'decide for a screen locker; ob serve runs it',
      deadlineSeconds: 25,
      load: () => import('../pam/unlock.ts'),
    },
  ],
  [
    'vouch',
    {
      caller: 'admin',
      isHelper: true,
      summary: 'have the portal vouch for a user who goes on to another host; ob serve runs it',
      deadlineSeconds: 25,
      load: () => import('../daemon/vouch.ts'),
    },
  ],
  [
    'hop-agent',
    {
      caller: 'admin',
      isHelper: true,
      summary: 'hold the key of one hop for ssh; ob proxy runs it',
      deadlineSeconds: 0,
      load: () => import('../user/hop-agent.ts'),
    },
  ],
  [
    'gpg-page',
    {
      caller: 'admin',
      isHelper: true,
      summary: 'show one challenge in a browser; ob gpg ask runs it',
      deadlineSeconds: 0,
      load: () => import('../daemon/gpg-page.ts'),
    },
  ],
  [
    'ca sign',
    {
      caller: 'person',
      isHelper: true,
      summary: 'sign the key that sshd saw proven, for the person whom a one-time token names; sudo runs it for sshd',
      deadlineSeconds: 25,
      load: () => import('../user/ca-sign.ts'),
    },
  ],
  [
    'shell',
    {
      caller: 'person',
      isHelper: true,
      summary: 'turn the session of a functional account into the person’s; sudo runs it for ob-shell',
      deadlineSeconds: 15,
      load: () => import('../user/shell.ts'),
    },
  ],
])

/** A person who types `ob` and nothing else. */
export const overview: WholeEntry = {
  caller: 'admin',
  summary: '',
  deadlineSeconds: 10,
  load: () => import('../admin/overview.ts'),
}

export const modes: ReadonlyMap<string, ModeEntry> = new Map<string, ModeEntry>([...wholeModes, ...sshdModes])
