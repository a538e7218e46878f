// The arguments of ob weblogin, for its parser, help and the manual page.
export const syntax = {
  name: 'weblogin',
  summary:
    'Login in a web browser. In a PAM stack: approved, ask, check. By hand: approvals lists the web logins that still count for further connections, revoke USER makes them count no more, import takes over the settings of the module pam-weblogin.',
  args: {
    verb: { type: 'positional', description: 'approved, ask, check, approvals, revoke or import', required: true },
    name: { type: 'positional', description: 'revoke: the user; import: the file', required: false },
    all: { type: 'boolean', description: 'revoke: of everybody', default: false },
    write: { type: 'boolean', description: 'import: add the lines to openbastion.conf', default: false },
    json: { type: 'boolean', description: 'approvals: print JSON', default: false },
  },
} as const
