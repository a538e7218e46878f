// Whether NSS says about portal users what the registry says, and whom the C implementation left in /etc/passwd.
import { expect, test } from 'bun:test'
import { openAccounts } from '../../src/accounts/provision.ts'
import { parseLoginName } from '../../src/base/names.ts'
import { checkConfig } from '../../src/config/load.ts'
import { judgeAccounts, judgeSudoGroup } from '../../src/health/accounts.ts'
import { fakeWorld } from '../fakes/world.ts'

const checked = checkConfig('portal_url = https://auth.example.test\ncreate_user = true\n')
if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
const { config } = checked

const nss = (groups: string) => ({
  spawn: ([program]: readonly string[]) =>
    program === 'id' ? { code: 0, stdout: `${groups}\n` } : { code: 0, stdout: 'nina:x:50000:50000:::\n' },
})

test('sudo that sudoers would not give is bad, and where NSS finds the group there is nothing to say', async () => {
  expect(await judgeSudoGroup(fakeWorld(nss('nina open-bastion-sudo')), 'nina')).toEqual([])
  expect(await judgeSudoGroup(fakeWorld({ spawn: () => ({ code: 1 }) }), 'nina')).toEqual([])
  const [found] = await judgeSudoGroup(fakeWorld(nss('nina open-bastion-sudoers')), 'nina')
  expect(found).toMatchObject({
    verdict: 'bad',
    message: 'the portal lets nina sudo, but NSS does not find nina in open-bastion-sudo',
  })
})

test('accounts that Open Bastion made are named until they are adopted', async () => {
  const world = fakeWorld({
    files: {
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nalice:x:45475:100::/home/alice:/bin/bash\n',
      '/etc/shadow': 'alice:!:1::::::\n',
      '/etc/nsswitch.conf': ['passwd', 'group', 'shadow'].map((one) => `${one}: files extrausers\n`).join(''),
    },
    ...nss(''),
  })
  const say = async () =>
    (await judgeAccounts(world, config, { accounts: async () => openAccounts(world, config) })).map(
      ({ message }) => message,
    )
  const named = 'alice: made in /etc/passwd by Open Bastion, adopted at the next login, or by: ob nss adopt'
  expect(await say()).toContain(named)
  await openAccounts(world, config).provision(parseLoginName('alice')!, {}, false)
  expect(await say()).not.toContain(named)
})
