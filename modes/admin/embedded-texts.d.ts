// Texts that the build embeds: PAM stacks, sshd snippets, sudoers, units.
declare module '*.sshd' {
  const text: string
  export default text
}
declare module '*.sudo' {
  const text: string
  export default text
}
declare module '*.conf' {
  const text: string
  export default text
}
declare module '*/sudoers/open-bastion' {
  const text: string
  export default text
}
