// Prints ob(8) from the map of modes and the very objects their arguments are parsed with.
import { exitStatus } from '../modes/run/exit.ts'
import type { Described } from '../modes/run/mode.ts'
import { modes } from '../modes/run/modes.ts'
import { isRunByPrograms, placeholderOf } from '../modes/run/usage-text.ts'

const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('’', "'")
    .replace(/^([.'])/, '\\&$1')
const flag = (name: string): string => `-${name.replaceAll('-', '\\-')}`

/** packaging/man/ob.8 in mdoc(7). */
export async function formatObManual(): Promise<string> {
  const typed: string[] = []
  const helpers: string[] = []
  for (const [name, entry] of modes) {
    const { syntax } = await entry.load()
    const list = isRunByPrograms(entry) ? helpers : typed
    list.push(
      `.It Nm ob Ic ${name}${syntax ? synopsis(syntax) : ''}\n${roff(sentence(syntax?.summary ?? entry.summary))}${syntax ? options(syntax) : ''}`,
    )
  }
  return `${head}\n${typed.join('\n')}\n${between}\n${helpers.join('\n')}\n${tail}`
}

const sentence = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`

function synopsis({ args }: Described): string {
  return Object.entries(args)
    .map(([name, about]) => {
      if (about.type === 'positional') return about.required === false ? ` Oo Ar ${name} Oc` : ` Ar ${name}`
      const value = about.type === 'string' ? ` Ar ${placeholderOf(name, about).toLowerCase()}` : ''
      return ` Oo Fl ${flag(name)}${value} Oc`
    })
    .join('')
}

function options({ args }: Described): string {
  // No capital letter: a description may begin with words that are typed.
  const rows = Object.entries(args).map(([name, { type, description }]) => {
    const what = type === 'positional' ? `Ar ${name}` : `Fl ${flag(name)}`
    return `.It ${what}\n${roff(`${description}.`)}`
  })
  return rows.length > 0 ? `\n.Bl -tag -width Ds -compact\n${rows.join('\n')}\n.El` : ''
}

const head = `.Dd November 22, 2026
.Dt OB 8
.Os
.Sh NAME
.Nm ob
.Nd single sign-on for ssh and sudo
.Sh SYNOPSIS
.Nm
.Ar mode
.Op Ar arguments
.Sh DESCRIPTION
.Nm
lets the single sign-on of an organisation decide who may
.Xr ssh 1
and
.Xr sudo 8
on this host.
The portal is LemonLDAP::NG, or
.Nm Ic portal
in front of any OpenID provider.
Stock parts call
.Nm :
.Bl -tag -width Ds
.It Xr pam_exec 8
runs it without a mode; the phase is in
.Ev PAM_TYPE .
The files in
.Pa pam.d
of the distribution are complete stacks.
.Bd -literal
auth    requisite pam_exec.so quiet stdout expose_authtok /usr/sbin/ob
account requisite pam_exec.so quiet stdout /usr/sbin/ob
session requisite pam_exec.so quiet stdout type=open_session /usr/sbin/ob
.Ed
.It Xr sshd 8
runs
.Nm Ic keys
as its
.Cm AuthorizedKeysCommand :
.Bd -literal
AuthorizedKeysCommand /usr/sbin/ob keys %u %t %k %f
.Ed
.El
.Pp
These modes are for people:
.Bl -tag -width Ds`

const between = `.El
.Pp
Other programs run these modes; nobody types them:
.Bl -tag -width Ds`

const tail = `.El
.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/open-bastion/openbastion.conf
The configuration, see
.Xr openbastion.conf 5 .
.It Pa /etc/open-bastion/portal.conf
The configuration of
.Nm Ic portal ,
see
.Xr portal.conf 5 .
.It Pa /etc/open-bastion/authorized_keys.d
One file of authorized keys for each user, kept by the administrator.
.It Pa /var/lib/open-bastion/token
The server token: this host's identity at the portal.
.It Pa /var/lib/open-bastion/users.json
Who has which uid on this host.
.It Pa /var/lib/extrausers
What libnss-extrausers reads; lines of others are kept.
.It Pa /var/log/open-bastion/audit.json
One JSON object a line for every decision.
.It Pa /run/open-bastion
Used tokens, open connections and the last heartbeat; gone at the next boot.
.El
.Sh EXIT STATUS
.Xr pam_exec 8
takes 0 for yes and everything else for no.
.Bl -tag -width Ds -compact
.It ${exitStatus.ok}
Allowed, or done.
.It ${exitStatus.denied}
Denied, or something is wrong that
.Ic doctor
or
.Ic why
describes.
.It ${exitStatus.usage}
Wrong arguments.
.It ${exitStatus.fault}
This host is broken: configuration, enrollment, certificate or files.
.It ${exitStatus.unavailable}
The portal gave no usable answer.
.El
.Sh SEE ALSO
.Xr openbastion.conf 5 ,
.Xr pam_exec 8 ,
.Xr sshd_config 5 ,
.Xr sudoers 5
`
