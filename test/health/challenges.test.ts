import { expect, test } from 'bun:test'
import { judgeChallenges } from '../../src/health/challenges.ts'
import { fakeWorld } from '../fakes/world.ts'

const settings = { gpg_web: 'off', gpg_user_files: false, gpg_signing_key: undefined } as const
type Changes = Partial<Parameters<typeof judgeChallenges>[1]>

const judged = async (changes: Changes, hasUser = true): Promise<readonly string[]> => {
  const world = fakeWorld({ spawn: () => ({ code: hasUser ? 0 : 2 }) })
  return (await judgeChallenges(world, { ...settings, ...changes })).map(({ message }) => message)
}

test.each<readonly [string, Changes, boolean, readonly string[]]>([
  ['nothing of it', {}, false, []],
  ['a page with TLS', { gpg_web: 'webQrAuthTls' }, true, []],
  [
    'a page without TLS',
    { gpg_web: 'webQrAuthNoTls' },
    true,
    ['gpg_web = webQrAuthNoTls is insecure: the page has no TLS'],
  ],
  [
    'a page, and nobody to serve it',
    { gpg_web: 'webQrAuthTls' },
    false,
    ['there is no user ob-gpg, so gpg_web shows no page'],
  ],
  ['files in homes', { gpg_user_files: true }, true, ['gpg_user_files is on']],
  [
    'a signing key that is gone',
    { gpg_signing_key: '/k' },
    true,
    ['gpg_signing_key /k does not exist, so no challenge is shown'],
  ],
])('%s', async (_name, changes, hasUser, expected) => {
  expect(await judged(changes, hasUser)).toEqual(expected)
})
