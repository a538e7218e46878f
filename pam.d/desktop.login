# Open Bastion, login on the console
# Install as /etc/pam.d/login. Stock Debian 12 and 13.
# openbastion.conf must say as what the portal is asked: service_map = login=ssh
#
# What a wrong order would do
#   - ob before pam_unix: every Unix password would travel to the portal and count as a wrong token.
#   - pam_deny must stand between the two tests and pam_permit: without it a wrong answer falls through to "success".
#   - pam_exec answers PAM_IGNORE in pam_setcred; pam_permit at the end is what says "success" there.
#   - The ob account line after a "sufficient" line would be skipped for whoever satisfies that one.

# --- auth: a Unix password, a token of the portal, or, while the portal is away, the password it confirmed before ---
auth  optional    pam_faildelay.so  delay=3000000
auth  requisite   pam_nologin.so
# The Unix password first: it is compared on this host, so a right one is never sent to the portal. A wrong one is not
# yet a refusal: the same answer goes to ob. No "nullok": an empty password is nobody's.
auth  [success=3 default=ignore]  pam_unix.so
# What somebody mistyped as root must not travel to the portal. success=1 jumps to pam_deny.
auth  [success=1 default=ignore]  pam_succeed_if.so quiet user = root
# "expose_authtok" takes the answer that was typed already; nobody is asked twice.
auth  [success=1 ignore=1 default=ignore]  pam_exec.so quiet stdout expose_authtok /usr/sbin/ob
auth  requisite   pam_deny.so
auth  required    pam_permit.so
auth  optional    pam_group.so

# --- account: may this user use this host? ---
# root is let in by its password and not by the portal, so that a machine whose portal is gone can still be repaired.
# To let one more local account in that way, write its line above: account [success=2 default=ignore] pam_succeed_if.so
# quiet user = NAME. success=1 skips exactly the next line.
account  [success=1 default=ignore]  pam_succeed_if.so quiet user = root
# The portal's word, asked as what service_map says. Here the account of a user who was never on this machine is made,
# too: login(1) looks it up before the session begins.
account  requisite   pam_exec.so quiet stdout /usr/sbin/ob
@include common-account

# --- session ---
# ob comes before every other session line; it makes the home directory on a first login. type=open_session: closing must
# not run a program with an environment that the user could have filled.
session  [success=1 default=ignore]  pam_succeed_if.so quiet user = root
session  requisite   pam_exec.so quiet stdout type=open_session /usr/sbin/ob

# From here on as Debian ships it.
session  [success=ok ignore=ignore module_unknown=ignore default=bad]  pam_selinux.so close
session  required    pam_loginuid.so
session  optional    pam_motd.so motd=/run/motd.dynamic
session  optional    pam_motd.so noupdate
session  [success=ok ignore=ignore module_unknown=ignore default=bad]  pam_selinux.so open
session  required    pam_env.so readenv=1
session  required    pam_env.so readenv=1 envfile=/etc/default/locale
session  required    pam_limits.so
session  optional    pam_mail.so standard
session  optional    pam_keyinit.so force revoke
@include common-session

@include common-password
