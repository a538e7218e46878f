// Accounts in /etc/passwd itself, in a host of its own: whole or not at all, whenever the process is killed.
import { expect } from 'bun:test'
import { configure, enroll, mintToken, setRights } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { environment } from './namespace.ts'
import { inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab(
  {},
  async (started) => {
    lab = started
    await lab.need("sed -i -E 's/^(passwd|group|shadow):.*/\\1: files/' /etc/nsswitch.conf; touch /etc/gshadow")
    await configure(lab, 'create_user_target = passwd\nallowed_managed_groups = games\n')
    await setRights(lab)
    await lab.portal('setUser', { user: 'alice', groups: ['games', 'shadow'] })
    const enrolled = await enroll(lab)
    if (enrolled.code !== 0) throw new Error(enrolled.output)
  },
  120_000,
)

const files = ['passwd', 'shadow', 'group', 'gshadow'] as const
const linesOf = (name: string) =>
  files.map((file) =>
    lab
      .text(`/etc/${file}`)
      .split('\n')
      .filter((line) => line.startsWith(`${name}:`)),
  )

lab_test('a user is in all four files, can log in, and loses what the portal takes', async () => {
  const before = files.map((file) => lab.text(`/etc/${file}`))
  await lab.need('ob nss add alice')
  expect(linesOf('alice').map(({ length }) => length)).toEqual([1, 1, 1, 1])
  // Everybody else's lines are where they were.
  for (const [at, file] of files.entries())
    for (const line of before[at]!.split('\n').filter((one) => !/^(games|open-bastion-sudo):/.test(one)))
      expect(lab.text(`/etc/${file}`)).toContain(line)
  const login = await lab.ssh({ user: 'alice', answers: [await mintToken(lab, 'alice')], command: 'id -Gn' })
  expect(login.stdout.trim().split(' ').sort()).toEqual(['alice', 'games', 'open-bastion-sudo'])
  await lab.portal('setUser', { user: 'alice', groups: [] })
  await lab.portal('setRules', { group: 'truth', sudo: [] })
  const again = await lab.ssh({ user: 'alice', answers: [await mintToken(lab, 'alice')], command: 'id -Gn' })
  expect(again.stdout).toBe('alice\n')
  expect((await lab.need('pwck -qr; grpck -qr')).trim()).toBe('')
})

lab_test('a user who is removed is in none of them, and useradd(8) goes on working', async () => {
  const uid = (await lab.need('id -u alice')).trim()
  await lab.need('ob nss remove alice')
  expect(linesOf('alice')).toEqual([[], [], [], []])
  await lab.need('useradd carol')
  await lab.need('ob nss add alice')
  expect((await lab.need('id -u alice')).trim()).toBe(uid)
  expect((await lab.need('id -u carol')).trim()).not.toBe('')
})

// Adds a line for u1, u2, … to all four files, until it is killed.
const writer = (repository: string, place: string) => `
import { editAccounts } from '${repository}/modes/world/files/account-files.ts'
const add = (text, n) => text + 'u' + n + ':x:' + (20000 + n) + ':\\n'
for (let n = 1; ; n++)
  editAccounts(({ passwd, shadow, group, gshadow }) => ({
    passwd: add(passwd, n), shadow: add(shadow, n), group: add(group, n), gshadow: add(gshadow, n),
  }), '${place}')
`

lab_test('killed at any moment, the four files say the same after the next change', async () => {
  const { space } = lab
  const place = `${space.scratch}/accounts`
  await lab.need(`mkdir ${place}`)
  lab.write(`${space.scratch}/writer.ts`, writer(space.repository, place))
  const check = `import { editAccounts } from '${space.repository}/modes/world/files/account-files.ts'
    editAccounts((files) => files, '${place}')`
  lab.write(`${space.scratch}/check.ts`, check)
  let begun = 0
  for (let round = 0; round < 25; round++) {
    await lab.need(`cd ${place} && rm -f .ob* * && for f in passwd shadow group gshadow; do echo root:x:0: > $f; done`)
    const child = Bun.spawn(space.command([space.bun, `${space.scratch}/writer.ts`]), {
      stdout: 'ignore',
      stderr: 'inherit',
      env: environment({}),
    })
    for (let tries = 0; tries < 500 && !lab.text(`${place}/passwd`).includes('u2:'); tries++) await Bun.sleep(2)
    await Bun.sleep(Math.random() * 12)
    await lab.run(`kill -KILL $(pgrep -f ${space.scratch}/writer.ts)`)
    await child.exited
    if ((await lab.run(`test -e ${place}/.ob-accounts`)).code === 0) begun++
    await lab.need(`${space.bun} ${space.scratch}/check.ts`)
    const texts = files.map((file) => lab.text(`${place}/${file}`))
    expect(texts[0]).toMatch(/^root:x:0:\nu1:/)
    expect(texts.every((text) => text === texts[0])).toBe(true)
    expect((await lab.need(`ls -A ${place}`)).trim().split('\n').sort()).toEqual([
      'group',
      'gshadow',
      'passwd',
      'shadow',
    ])
  }
  console.error(`killed between the first and the last rename in ${begun} of 25 rounds`)
})
