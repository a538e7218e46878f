// JSON user and group records (systemd's USER_RECORD and GROUP_RECORD). Shell, home and disposition are always named:
// without them nss-systemd makes up its own from the range that the uid lies in.

export type UserFields = {
  readonly uid: number
  readonly gid: number
  readonly gecos: string
  readonly home: string
  readonly shell: string
}

// "incomplete": false makes nss-systemd answer shadow lookups, with a password that nothing matches; without that
// pam_unix refuses the account.
export const userRecord = (userName: string, user: UserFields, service: string) => ({
  record: {
    userName,
    uid: user.uid,
    gid: user.gid,
    realName: user.gecos === '' ? userName : user.gecos,
    homeDirectory: user.home,
    shell: user.shell,
    disposition: 'regular',
    service,
  },
  incomplete: false,
})

export const groupRecord = (groupName: string, gid: number, service: string) => ({
  record: { groupName, gid, disposition: 'regular', service },
  incomplete: false,
})

export const membership = (userName: string, groupName: string) => ({ userName, groupName })
