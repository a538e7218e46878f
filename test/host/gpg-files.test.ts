// ~/.auth_gpg with a real key ring of GnuPG, read in place and taken over; and challenges that the host signs.
import { expect } from 'bun:test'
import { configure, settleIn } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { codeIn, decrypt, knock, makeKeys, messageIn } from './person.ts'
import { inLab } from './suite.ts'

let lab: Lab

const test = inLab(
  {},
  async (started) => {
    lab = started
    await settleIn(lab)
    await makeKeys(lab, { alice: 'future-default', bob: 'future-default' })
    // The key rings are in the homes; the secret halves are elsewhere.
    await lab.need(`for user in alice bob; do
      home=$(getent passwd $user | cut -d: -f6); chmod go-w $home
      install -d -o $user -g $user -m 0700 $home/.gnupg
      cat /root/person/alice.asc /root/person/bob.asc | setpriv --reuid=$user --regid=$user --clear-groups \\
        gpg --homedir $home/.gnupg --quiet --batch --import
    done`)
    await lab.setStack('g')
  },
  180_000,
)

const home = '/home/alice'

async function begin(line: string, extra = 'gpg_user_files = true\n'): Promise<void> {
  await configure(lab, extra)
  await lab.need(`rm -rf /var/lib/open-bastion/ratelimit /run/open-bastion/gpg /etc/open-bastion/gpg ${home}/.auth_gpg
    printf '%s\\n' '${line}' > ${home}/.auth_gpg; chown alice: ${home}/.auth_gpg; chmod 0600 ${home}/.auth_gpg`)
  lab.audit()
}

/** in, or why not. */
async function login(): Promise<string> {
  const dialogue = await knock(lab, { user: 'alice' })
  const plain = await decrypt(lab, messageIn(await dialogue.prompt()))
  dialogue.answer(codeIn(plain))
  const { entered } = await dialogue.end()
  const [shown] = lab.audit()
  return entered ? 'in' : String(shown?.['details'])
}

for (const line of [
  'alice@example.org trust nosign none',
  'alice@example.org none',
  'ALICE@example.org trust nosign webQrNoAuthNoTls',
])
  test(`in place: ${line}`, async () => {
    await begin(line)
    expect(await login()).toBe('in')
  })

const refused: readonly (readonly [string, string, RegExp])[] = [
  ['a file that says notrust', 'true', /says notrust/],
  ['a file that wants a signature, on a host without key', 'true', /wants signed challenges/],
  ['a file that others can write', `chmod 0666 ${home}/.auth_gpg`, /"\.auth_gpg" can be written by others/],
  ['a file of somebody else', `chown bob: ${home}/.auth_gpg && chmod 0644 ${home}/.auth_gpg`, /belongs to uid/],
  ['a link', `mv ${home}/.auth_gpg ${home}/real && ln -s real ${home}/.auth_gpg`, /symbolic link/],
  ['a second name', `ln ${home}/.auth_gpg ${home}/second`, /hard links/],
  ['a home that others can write', `chmod 0777 ${home}`, /"alice" can be written by others/],
  ['a key ring of somebody else', `chown -R bob: ${home}/.gnupg && chmod -R go+rX ${home}/.gnupg`, /belongs to uid/],
  [
    'a pipe',
    `rm ${home}/.auth_gpg && setpriv --reuid=alice --regid=alice --clear-groups mkfifo ${home}/.auth_gpg`,
    /not a regular file/,
  ],
  ['a file without sense', 'true', /no address and no fingerprint/],
]

const lineFor: Readonly<Record<string, string>> = {
  'a file that says notrust': 'alice@example.org notrust nosign none',
  'a file that wants a signature, on a host without key': 'alice@example.org trust host@example.org none',
  'a file without sense': 'alice',
}

for (const [name, change, why] of refused)
  test(`in place: ${name} shows a decoy, and the log says why`, async () => {
    await begin(lineFor[name] ?? 'alice@example.org trust nosign none')
    await lab.need(change)
    const seen = await login()
    await lab.need(
      `chown -R alice: ${home}/.gnupg; chmod 0700 ${home}/.gnupg; chmod 0755 ${home}; rm -f ${home}/second ${home}/real`,
    )
    expect(seen).toMatch(why)
  })

test('without gpg_user_files nothing in a home counts', async () => {
  await begin('alice@example.org trust nosign none', '')
  expect(await login()).toContain('a decoy')
})

test('a file of root’s is stronger than the one in the home', async () => {
  await begin('bob@example.org trust nosign none')
  await lab.need('ob gpg add alice /root/person/alice.asc')
  expect(await login()).toBe('in')
})

test('ob gpg import makes a file of root’s of it, and the home counts no more', async () => {
  await begin('alice@example.org trust host@example.org webQrAuthTls /k /c', '')
  const said = await lab.need('ob gpg import alice')
  expect(said).toContain('challenges were signed as host@example.org; a key of this host does it now')
  expect(said).toContain('set gpg_web = webQrAuthTls')
  await lab.need(`rm -r ${home}/.auth_gpg`)
  expect(await login()).toBe('in')
})

test('ob gpg import asks for the fingerprint where the file says notrust', async () => {
  await begin('alice@example.org notrust nosign none', '')
  const asked = await lab.run('ob gpg import alice')
  const fingerprint = /import alice ([0-9A-F]{40})/.exec(asked.stderr)?.[1] ?? ''
  expect(asked.code).not.toBe(0)
  await lab.need(`ob gpg import alice ${fingerprint}`)
  expect(await login()).toBe('in')
  expect((await lab.run('ob gpg import bob')).stderr).toContain('bob has no ~/.auth_gpg')
})

test('the host signs its challenges with a key of its own, and gpg says so', async () => {
  const made = await lab.need('ob gpg signing-key --json')
  const { path, publicKey } = JSON.parse(made)
  expect((await lab.need(`stat -c '%a %U' ${path}`)).trim()).toBe('600 root')
  await lab.need('gpg --homedir /root/person --quiet --batch --import', { stdin: publicKey })
  await begin('alice@example.org trust host@example.org none', `gpg_user_files = true\ngpg_signing_key = ${path}\n`)
  const dialogue = await knock(lab, { user: 'alice' })
  const message = messageIn(await dialogue.prompt())
  const verified = await lab.run('gpg --homedir /root/person --batch --decrypt', { stdin: message })
  expect(verified.stderr).toContain('Good signature from "challenges of lab"')
  dialogue.answer(codeIn(verified.stdout))
  expect((await dialogue.end()).entered).toBe(true)
  expect(JSON.parse(await lab.need('ob gpg signing-key --json'))).toMatchObject({ made: false, publicKey })
  await lab.need(`chmod 0644 ${path}`)
  const open = await knock(lab, { user: 'alice' })
  expect((await open.end()).entered).toBe(false)
  expect(JSON.stringify(lab.audit())).toContain(`chmod 600 ${path}`)
})
