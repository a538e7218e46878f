// ob secret, and what the rest of the program makes of a sealed secret.
import { expect, test } from 'bun:test'
import { mode } from '../../../modes/admin/secret.ts'
import type { Ending } from '../../../modes/run/mode.ts'
import { utf8 } from '../../../src/base/bytes.ts'
import { Secret } from '../../../src/base/secret.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { judgeSecrets } from '../../../src/health/secrets.ts'
import { planSealing } from '../../../src/portal-client/enrollment-seal.ts'
import { readTokenFile, saveEnrollment } from '../../../src/portal-client/token-file.ts'
import { secretFor } from '../../../src/secrets/resolve.ts'
import { type FakeWorld, textOf } from '../../fakes/world.ts'
import vectors from '../../vectors/secret-store.json'
import { enrolledHost } from '../host.ts'

const machineId = vectors.sets[0]!.machine_id_file
const canary = 'Canary-7f3a9'

async function host(config = '') {
  const one = await enrolledHost({ config, files: { '/etc/machine-id': machineId } })
  const run = async (argv: string, stdin = '') => {
    const world: FakeWorld = { ...one.world, hiddenInput: async () => utf8(stdin) }
    const ending: Ending = await mode.run(argv.split(' '), world)
    return { kind: ending.kind === 'usage' ? 'usage' : ending.outcome.kind, text: ending.text ?? '' }
  }
  const set = async (name: string, value: string) => {
    expect((await run(`set ${name}`, value)).kind).toBe('allowed')
  }
  return { ...one, run, set, config: () => loadConfig(one.world.files) }
}

const token = '/var/lib/open-bastion/token'

test('a secret is set from standard input, told about without being shown, and shown when asked', async () => {
  const { run } = await host()
  expect(await run('set notify_secret', `${canary}\n`)).toEqual({ kind: 'allowed', text: 'notify_secret is sealed\n' })
  for (const argv of ['get notify_secret', 'get notify_secret --json', 'list', 'list --json', 'rotate --json']) {
    const { kind, text } = await run(argv)
    expect([argv, kind]).toEqual([argv, 'allowed'])
    expect(text).not.toContain(canary)
  }
  expect(await run('get notify_secret --reveal')).toEqual({ kind: 'allowed', text: `${canary}\n` })
  expect(JSON.parse((await run('get notify_secret --reveal --json')).text)).toMatchObject({ value: canary })
  expect((await run('get other')).kind).toBe('denied')
  expect((await run('remove notify_secret')).kind).toBe('allowed')
  expect((await run('remove notify_secret')).kind).toBe('denied')
})

test.each([
  'set',
  'set a b',
  `set client_secret ${canary}`,
  'set Client',
  'set ../x',
  'get',
  'list x',
  'rotate x',
  'import',
  'import /a /b --as x',
  'import /a --as X',
  'set a --reveal',
  'get a --discard',
  'constructor',
])('«ob secret %s» is refused without repeating what could be a secret', async (argv) => {
  const { run, world } = await host()
  const before = new Set(world.disk.keys())
  const { kind, text } = await run(argv, 'x')
  expect(kind).toBe('usage')
  expect(text).not.toContain(canary)
  expect(new Set(world.disk.keys())).toEqual(before)
})

test.each(['', '\n', 'two\nlines', 'nul\0', '\xff\xfe', 'sealed:other'])('%j is no secret', async (stdin) => {
  const { run, world } = await host()
  const bytes = stdin === '\xff\xfe' ? Uint8Array.from([0xff, 0xfe]) : utf8(stdin)
  const odd: FakeWorld = { ...world, hiddenInput: async () => bytes }
  await expect(mode.run(['set', 'a'], odd)).rejects.toThrow('nothing was changed')
  expect((await run('list --json')).text).toBe('[]\n')
})

test('somebody who seals a secret that openbastion.conf still has is told so', async () => {
  const { run } = await host()
  expect((await run('set client_secret', canary)).text).toContain('that line counts: remove it')
})

test('a configured secret is its line, the sealed one that its line names, or the one kept under its name', async () => {
  const plain = await host()
  await plain.set('client_secret', canary)
  expect((await secretFor(plain.world, plain.config(), 'client_secret'))?.expose()).toBe('pamsecret')
  const named = await host('request_signing_secret = sealed:signing')
  await expect(secretFor(named.world, named.config(), 'request_signing_secret')).rejects.toThrow(
    'holds no secret of that name',
  )
  await named.set('signing', canary)
  expect((await secretFor(named.world, named.config(), 'request_signing_secret'))?.expose()).toBe(canary)
  const absent = await host()
  expect(await secretFor(absent.world, absent.config(), 'request_signing_secret')).toBeUndefined()
  await absent.set('request_signing_secret', canary)
  expect((await secretFor(absent.world, absent.config(), 'request_signing_secret'))?.expose()).toBe(canary)
  const off = await host('secrets_encrypted = false')
  await off.set('request_signing_secret', canary)
  expect(await secretFor(off.world, off.config(), 'request_signing_secret')).toBeUndefined()
})

test('a login is signed with the sealed secret', async () => {
  const { phase, set, portal } = await host()
  portal.control.setUser({ user: 'rtyler' })
  await phase('account', { PAM_USER: 'rtyler' })
  await set('request_signing_secret', canary)
  await phase('account', { PAM_USER: 'rtyler' })
  const signed = portal.control.requests().map(({ headers }) => 'x-signature-256' in headers)
  expect(signed).toEqual([false, true])
})

test('a login with a sealed secret that does not open is refused and says why in the log', async () => {
  const { phase, set, world } = await host()
  await set('request_signing_secret', canary)
  world.disk.get('/etc/machine-id')!.data = utf8('0123456789abcdef0123456789abcdef\n')
  const { outcome } = await phase('account', { PAM_USER: 'rtyler' })
  expect(outcome).toBe('unavailable fault')
  expect(textOf(world, '/var/log/open-bastion/audit.json')).toContain('this host was cloned or re-installed')
})

test('without anything sealed a login neither derives nor keeps a key', async () => {
  const { phase, world } = await host('auth_cache_enabled = false')
  expect((await phase('account', { PAM_USER: 'rtyler' })).outcome).toStartWith('allowed')
  expect([...world.kept.keys()]).toEqual([])
  expect([...world.disk.keys()].filter((path) => path.includes('/open-bastion/keys/'))).toEqual([])
})

test('rotate moves the refresh token into the store, renewal works from there, and secrets_encrypted = false moves it back', async () => {
  const { run, world, phase, portal } = await host()
  const before = JSON.parse(textOf(world, token)!).refresh_token
  expect((await run('rotate')).text).toContain('moved from the token file into the store')
  const { access_token, refresh_token } = JSON.parse(textOf(world, token)!)
  expect(refresh_token).toBe('sealed:refresh_token')
  expect((await run('rotate')).text).not.toContain('moved')
  portal.control.expireAccessTokens()
  expect((await phase('account', { PAM_USER: 'rtyler' })).outcome).toStartWith('allowed')
  const renewed = JSON.parse(textOf(world, token)!)
  expect(renewed.access_token).not.toBe(access_token)
  expect(renewed.refresh_token).toBe('sealed:refresh_token')
  const conf = world.disk.get('/etc/open-bastion/openbastion.conf')!
  conf.data = utf8(`${new TextDecoder().decode(conf.data)}secrets_encrypted = false\n`)
  expect((await run('rotate')).text).toContain('moved back into the token file')
  expect(JSON.parse(textOf(world, token)!).refresh_token).toBe(before)
  expect((await run('list --json')).text).toBe('[]\n')
})

test('an enrollment keeps the refresh token where the host keeps its secrets', async () => {
  const tokens = { accessToken: new Secret('a'), refreshToken: new Secret(canary) }
  const plain = await host('secrets_encrypted = false')
  await saveEnrollment(plain.world, plain.config(), tokens, await planSealing(plain.world, plain.config()))
  expect(readTokenFile(plain.world, token).refreshToken?.expose()).toBe(canary)
  const sealed = await host()
  await saveEnrollment(sealed.world, sealed.config(), tokens, await planSealing(sealed.world, sealed.config()))
  expect(readTokenFile(sealed.world, token).refreshToken?.expose()).toBe('sealed:refresh_token')
  expect((await sealed.run('get refresh_token --reveal')).text).toBe(`${canary}\n`)
})

const [set] = vectors.sets
const upstream = '/var/lib/pam_llng/secrets'
const withUpstream = async () => {
  const one = await host()
  const put = (path: string, data: Uint8Array, uid = 0, mode = 0o600) =>
    one.world.disk.set(path, { data, mode, uid, gid: 0, modifiedAt: 0 })
  put(`${upstream}/.salt`, Uint8Array.fromHex(set!.salt_hex))
  for (const entry of set!.entries) put(`${upstream}/${entry.file}`, Uint8Array.fromHex(entry.file_bytes_hex))
  return { ...one, put }
}
const fileNamed = (key: string) => `${upstream}/${set!.entries.find((entry) => entry.key === key)!.file}`

test('a secret of the C implementation is imported under a name, and its file stays', async () => {
  const { run, world } = await withUpstream()
  expect((await run(`import ${fileNamed('server_token')} --as server_token`)).kind).toBe('allowed')
  expect((await run('get server_token --reveal')).text).toBe('server-token-abcdef\n')
  expect(world.disk.has(fileNamed('server_token'))).toBe(true)
})

test('what cannot be imported is named, and nothing is imported', async () => {
  const { run, world, put } = await withUpstream()
  const path = fileNamed('server_token')
  const cases: readonly [string, () => void, string][] = [
    [path, () => undefined, 'does not say which secret it holds'],
    [`${fileNamed('binary')} --as x`, () => undefined, 'holds no single line of text'],
    [`${upstream}/none.enc --as x`, () => undefined, 'does not exist'],
    ['none.enc --as x', () => undefined, 'is not an absolute path'],
    [`${path} --as x`, () => put(path, Uint8Array.fromHex('00'.repeat(27))), 'does not open'],
    [`${path} --as x`, () => put(path, new Uint8Array(40), 1000), 'belongs to uid 1000'],
    [`${path} --as x`, () => put(path, new Uint8Array(40), 0, 0o644), 'can be read by others'],
    [`${fileNamed('alice:refresh_token')} --as x`, () => world.disk.delete(`${upstream}/.salt`), '.salt is missing'],
  ]
  for (const [argv, damage, says] of cases) {
    damage()
    await expect(run(`import ${argv}`)).rejects.toThrow(says)
  }
  expect((await run('list --json')).text).toBe('[]\n')
})

test('doctor names what stands in plain text, what is asked for and missing, and what does not open', async () => {
  const { run, set, world, config } = await host('request_signing_secret = sealed:signing')
  const said = async () => (await judgeSecrets(world, config())).map(({ verdict, message }) => `${verdict} ${message}`)
  expect(await said()).toEqual([
    expect.stringMatching(/^note client_secret stands in plain text/),
    expect.stringMatching(/^note the refresh token stands in plain text in .*; ob secret rotate seals it$/),
    expect.stringMatching(/^bad request_signing_secret in .* asks for sealed:signing, which does not exist$/),
  ])
  await set('signing', canary)
  world.files.makeDirectory('/var/lib/open-bastion/secrets', 0o700)
  expect((await said()).filter((line) => line.startsWith('note'))).toEqual([
    expect.stringContaining('client_secret'),
    expect.stringContaining('the refresh token stands in plain text'),
  ])
  await run('rotate')
  const path = [...world.disk.keys()].find((one) => one.endsWith('.signing'))!
  world.disk.get(path)!.data = utf8('OBSECRET01 but not really')
  expect(await said()).toContainEqual(`bad ${path} does not open: it was damaged, or moved here`)
  expect((await said()).join('\n')).not.toContain(canary)
})

test('whoever makes the key file hears that passwords kept without one open no more', async () => {
  const one = await host()
  one.world.files.makeDirectory('/var/cache/open-bastion/credentials', 0o700)
  one.world.files.writeAtomic('/var/cache/open-bastion/credentials/0.cred', 'OBCRED01', { mode: 0o600 })
  expect((await one.run('rotate')).text).toContain('passwords that were kept without it open no more')
  expect((await one.run('rotate')).text).not.toContain('passwords that were kept')
})
