// What ob setup shows of a change: enough to agree to it, and no secret.
import { expect, test } from 'bun:test'
import { formatDiff } from '../../src/setup/diff-format.ts'

test('of a new file every line that counts is shown, and long comments are counted', () => {
  const file = '# one\n# two\n# three\n\n# five\nportal_url = https://a\n# short\nclient_id = x\n#a\n#b\n#c\n#d\n'
  expect(formatDiff('/etc/x', undefined, file)).toBe(
    `--- /dev/null
+++ /etc/x
+# one
… 4 more lines of comment
+portal_url = https://a
+# short
+client_id = x
+#a
… 3 more lines of comment
`,
  )
})

test('a line of sudoers that only looks like a comment is shown', () => {
  const file = '# a\n# b\n#includedir /etc/sudoers.d\n# c\n# d\n'
  expect(formatDiff('/etc/x', undefined, file)).toContain('+#includedir /etc/sudoers.d\n')
})

test('of a file that is there the changes are shown, comments too, with what is around them', () => {
  const before = 'a\nb\nc\nd\n# e\nf\n'
  expect(formatDiff('/etc/x', before, before.replace('# e', '# g\n# h\n# i\n# j'))).toBe(
    '--- /etc/x\n+++ /etc/x\n…\n c\n d\n-# e\n+# g\n+# h\n+# i\n+# j\n f\n'.replace('…\n', ''),
  )
})

test('the value of a secret is not shown, a sealed one is', () => {
  const diff = formatDiff('/etc/x', undefined, 'client_secret = hunter2\n#notify_secret = x\nother_secret = sealed:y\n')
  expect(diff).toContain('+client_secret = [secret]\n')
  expect(diff).not.toContain('hunter2')
  expect(diff).toContain('+other_secret = sealed:y\n')
})
