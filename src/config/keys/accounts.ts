// Keys about how the accounts of portal users reach NSS.
import { key } from '../key.ts'
import { choice, groupList, localAccounts, toggle } from '../value-types.ts'

export const accountKeys = {
  create_user_target: key('extrausers', () => ({
    schema: choice(['extrausers', 'userdb', 'passwd']),
    says:
      'Where accounts are found: in the files of libnss-extrausers; only in the user database of ob serve, through ' +
      'nss-systemd; or in /etc/passwd, /etc/shadow, /etc/group and /etc/gshadow.',
    section: 'accounts',
    since: '0.1',
  })),
  allowed_managed_groups: key([], () => ({
    schema: groupList(),
    says:
      'Groups of the portal that its users are in on this host too, each by its name. Others are never touched; a ' +
      'name that means power here (sudo, docker, disk) gives that power to whom the portal says.',
    section: 'accounts',
    example: 'developers, operators',
  })),
  local_accounts: key(['people'], () => ({
    schema: localAccounts(),
    says:
      'Accounts of /etc/passwd that the portal decides about: people (uid from UID_MIN of login.defs on), none, or ' +
      'names; people may stand among names. Accounts of the system count only when they are named, and root never.',
    section: 'accounts',
    example: 'people, backup',
    since: '0.2',
  })),
  serve_userdb: key(true, () => ({
    schema: toggle(),
    says: 'Whether ob serve answers nss-systemd. What it answers screen lockers depends on service_map alone.',
    section: 'accounts',
    since: '0.2',
  })),
  serve_logins: key(true, () => ({
    schema: toggle(),
    says:
      'Whether ob serve, where it runs, decides PAM phases over a connection to the portal that it keeps. Where it does ' +
      'not answer, each phase decides by itself.',
    section: 'accounts',
    since: '0.2',
  })),
  nss_enumerate: key(false, () => ({
    schema: toggle(),
    says: 'Let everybody list all users and groups through the user database of ob serve.',
    section: 'accounts',
    since: '0.1',
  })),
}
