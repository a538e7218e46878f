// Other names of root, as the C library finds them (getpwnam(3)).
import { expect, test } from 'bun:test'
import { isSecondRoot, secondRoots } from '../../src/accounts/second-roots.ts'
import { type LoginName, parseLoginName } from '../../src/base/names.ts'
import { fakeWorld } from '../fakes/world.ts'

const root = 'root:x:0:0:root:/root:/bin/bash\n'
const found = (text: string, name = 'to.or'): boolean =>
  isSecondRoot(fakeWorld({ files: { '/etc/passwd': text } }), parseLoginName(name) as LoginName)

test.each([
  'to.or:x:0:0::/root:/bin/sh',
  '  to.or:x:0:0::/root:/bin/sh',
  '\t\vto.or:x:00:0::/root:/bin/sh',
  'to.or:x:+0:0::/root:/bin/sh',
  'to.or:x: -0:0::/root:/bin/sh',
  'to.or:x:0',
])('%j is one', (line) => {
  expect([found(`${root}${line}\n`), found(line), secondRoots(root + line)]).toEqual([true, true, ['to.or']])
})

test.each([
  'toXor:x:0:0::/root:/bin/sh',
  '# to.or:x:0:0::/root:/bin/sh',
  'xto.or:x:0:0::/root:/bin/sh',
  'to.or:x:10:0::/root:/bin/sh',
  'to.or:x:1001:0::/:/bin/sh\nto.or:x:0:0::/root:/bin/sh',
  'eve:x:1001:1001:to.or:/home/eve:/bin/sh',
])('%j is none of this name', (line) => {
  expect(found(`${root}${line}\n`)).toBe(false)
})

test('root itself is none, and what looks like a new line inside of a line is none', () => {
  expect(found(root, 'root')).toBe(false)
  expect(found(`eve:x:1001:1001:\u2028to.or:/home/eve:/bin/sh\nto.or:x:0:0::/root:/bin/sh\n`)).toBe(true)
})
