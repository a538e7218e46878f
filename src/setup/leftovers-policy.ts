// What still calls this program once a set-up was taken back: without the program such a line refuses everybody, or,
// where a stack lets a module fail, nobody.

export type Leftover = { readonly path: string; readonly line: number; readonly text: string }

const calls = /\/usr\/s?bin\/ob(?:-shell)?(?![\w.-])|\bopen-bastion-(?:sshd|sudo)\b/

/** Lines that name the program or a PAM service of its own, in a PAM stack, a file of sshd, or a sudoers file. */
export const leftoversIn = (path: string, text: string): readonly Leftover[] =>
  text
    .split('\n')
    .flatMap((line, at) =>
      /^\s*#/.test(line) || !calls.test(line) ? [] : [{ path, line: at + 1, text: line.trim().slice(0, 120) }],
    )

/** Files that others made room for when an administrator edited, or that no program reads. */
export const isRead = (name: string): boolean => !/\.(?:dpkg-\w+|ucf-\w+|bak|orig|save)$|~$/.test(name)
