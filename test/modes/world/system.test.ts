// The real world, where it needs no host around it.
import { expect, test } from 'bun:test'
import { system } from '../../../modes/world/system.ts'

const world = () => system({ values: {}, duplicates: [] }, new AbortController().signal)

test('a program that is not installed ends as it does for a shell, with 127', async () => {
  expect(await world().spawn(['no-such-program', 'x'])).toEqual({
    code: 127,
    stdout: '',
    stderr: 'no-such-program: not found',
  })
})

test('what is no program ends as it does for a shell, with 126', async () => {
  expect(await world().spawn(['/etc/passwd'])).toMatchObject({ code: 126, stdout: '' })
  expect(await world().spawn(['/etc'])).toMatchObject({ code: 126, stdout: '' })
})

test('a program gets its input and its words, and nothing of our environment', async () => {
  const { code, stdout } = await world().spawn(['sh', '-c', 'cat; echo "$1"; env | sort', 'sh', 'a b'], {
    stdin: 'in\n',
  })
  expect(code).toBe(0)
  expect(stdout.split('\n').filter((line) => !/^(_|SHLVL|OLDPWD)=/.test(line))).toEqual([
    'in',
    'a b',
    'LC_ALL=C',
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    'PWD=/',
    '',
  ])
})
