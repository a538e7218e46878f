// A login that waits, and everything that may go wrong with its code, on both storages.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { Database } from '../../src/base/database.ts'
import type { LoginName } from '../../src/base/names.ts'
import { addApproval, approvalsOf, findApproval, revokeApproval } from '../../src/portal-server/approvals.ts'
import { addHost, hostOf, revokeHost } from '../../src/portal-server/hosts.ts'
import { releasePerson, settlePerson } from '../../src/portal-server/people.ts'
import { type BrowserSession, endAtProvider, findSession, startSession } from '../../src/portal-server/sessions.ts'
import { expireRows, prepareTables } from '../../src/portal-server/tables.ts'
import {
  checkCode,
  findTransaction,
  makeCode,
  type Request,
  refuseTransaction,
  startTransaction,
} from '../../src/portal-server/transactions.ts'
import { freePort } from '../browser/site.ts'
import { type Cluster, postgresIn, postgresRefusal, type Storage, sqliteInMemory, startPostgres } from './storages.ts'

const refusal = postgresRefusal()
if (refusal !== undefined) console.error(`the tests on PostgreSQL are left out: ${refusal}`)
let cluster: Cluster
beforeAll(async () => {
  if (refusal === undefined) cluster = await startPostgres(freePort())
}, 60_000)
afterAll(() => cluster?.stop())

const storages: readonly Storage[] = [sqliteInMemory, ...(refusal === undefined ? [postgresIn(() => cluster)] : [])]

/** One row a storage: the same table of cases for each. */
const each = (name: string, work: (bench: Bench) => Promise<void>): void => {
  for (const storage of storages)
    test(`${storage.name}: ${name}`, async () => {
      const database = await storage.open()
      try {
        await prepareTables(database)
        await work(benchOn(database))
      } finally {
        await database.close()
      }
    }, 20_000)
}

type Bench = ReturnType<typeof benchOn>

const host = { name: 'web1.example.org', group: 'web' }
const config = { transaction_lifetime: 300, code_lifetime: 90, code_tries: 3, approval_max: 43_200 }

const session = (name: string, over: Partial<BrowserSession> = {}): BrowserSession => ({
  ...{ id: `id-${name}`, provider: 'idp', issuer: 'https://idp.example', subject: `sub-${name}`, name },
  ...{ groups: ['ops'], acr: 'mfa', authTime: 1_000, sid: `sid-${name}`, browser: 'Firefox', address: '192.0.2.1' },
  ...{ createdAt: 1_000, expiresAt: 90_000 },
  ...over,
})

const asked: Request = {
  ...{ login: 'alice', account: '', service: 'sshd', rhost: '192.0.2.7' },
  ...{ keyFingerprint: `SHA256:${'A'.repeat(43)}`, keyType: 'ED25519', approvalSeconds: 28_800 },
}

function benchOn(database: Database) {
  const clock = { now: 10_000 }
  const context = {
    database,
    config,
    now: () => clock.now,
    random: (n: number) => crypto.getRandomValues(new Uint8Array(n)),
  }
  const start = (over: Partial<Request> = {}, from = host) => startTransaction(context, from, { ...asked, ...over })
  const look = async (handle: string) => (await findTransaction(context, handle))!
  const press = async (handle: string, who = session('alice'), remember = false) =>
    makeCode(context, await look(handle), { session: who, remember })
  const type = (name: string, typed: string, from = host) => checkCode(context, from, { session: name, typed })
  const verdict = async (name: string, typed: string, from = host) => {
    const checked = await type(name, typed, from)
    return checked.result === 'wrong' ? `wrong ${checked.triesLeft}` : checked.result
  }
  /** Started and confirmed by alice: what she reads. */
  const coded = async (over: Partial<Request> = {}) => {
    const started = await start(over)
    await press(started.handle)
    return { ...started, code: (await look(started.handle)).code ?? '' }
  }
  return { database, clock, context, start, look, press, type, verdict, coded }
}

const wrongOf = (code: string): string => (code === 'BBBBBBBBB' ? 'CCCCCCCCC' : 'BBBBBBBBB')

each('the right code, once, whatever it is written like', async ({ coded, type, verdict }) => {
  const { session, code } = await coded()
  const typed = ` ${code.slice(0, 3)}-${code.slice(3, 6).toLowerCase()} ${code.slice(6)} `
  expect(await type(session, typed)).toMatchObject({
    result: 'confirmed',
    who: {
      user: 'alice',
      subject: 'sub-alice',
      issuer: 'https://idp.example',
      groups: ['ops'],
      acr: 'mfa',
      authTime: 1_000,
    },
  })
  expect(await verdict(session, typed)).toBe('expired')
})

each('of fifty who hand in the same code at the same time, one is let in', async ({ coded, verdict }) => {
  const { session, code } = await coded()
  const results = await Promise.all(Array.from({ length: 50 }, () => verdict(session, code)))
  expect(results.filter((result) => result === 'confirmed')).toHaveLength(1)
})

each(
  'fifty wrong codes at the same time cost three tries, and then the right one is refused',
  async ({ coded, verdict }) => {
    const { session, code } = await coded()
    const results = await Promise.all(Array.from({ length: 50 }, () => verdict(session, wrongOf(code))))
    expect(results.filter((result) => result.startsWith('wrong')).toSorted()).toEqual(['wrong 0', 'wrong 1', 'wrong 2'])
    expect(await verdict(session, code)).toBe('refused')
  },
)

each(
  'there is no code before the button: whatever is typed waits, and costs nothing',
  async ({ start, look, verdict }) => {
    const { session, handle } = await start()
    for (const typed of ['', 'BBB-BBB-BBB', 'null', '0']) expect(await verdict(session, typed)).toBe('pending')
    expect(await look(handle)).toMatchObject({ state: 'waiting', code: undefined, triesLeft: 3 })
  },
)

each('a code of another login does not open this one, and costs this one a try', async ({ coded, verdict }) => {
  const [mine, other] = [await coded(), await coded()]
  expect(await verdict(mine.session, other.code)).toBe('wrong 2')
  expect(await verdict(other.session, other.code)).toBe('confirmed')
})

each('another host cannot hand in the code, even when it learnt the session', async ({ coded, verdict }) => {
  const { session, code } = await coded()
  expect(await verdict(session, code, { name: 'evil.example.org', group: 'web' })).toBe('expired')
  expect(await verdict(session, code)).toBe('confirmed')
})

each('the handle of the address is no session', async ({ coded, verdict }) => {
  const { handle, session, code } = await coded()
  expect(await verdict(handle, code)).toBe('expired')
  expect(await verdict(session, code)).toBe('confirmed')
})

each('only the person that is named gets a code', async ({ start, press, look }) => {
  const { handle } = await start()
  expect(await press(handle, session('bob'))).toBe(false)
  expect(await look(handle)).toMatchObject({ state: 'waiting', code: undefined })
})

each('where nobody is named, whoever confirms first is it, and nobody after', async ({ start, press, type, look }) => {
  const { handle, session: secret } = await start({ login: '', account: 'web' })
  expect(await press(handle, session('bob'))).toBe(true)
  expect(await press(handle, session('alice'))).toBe(false)
  expect(await type(secret, (await look(handle)).code ?? '')).toMatchObject({ who: { user: 'bob' } })
})

each('a code is too old after 90 seconds; the same person gets another, the tries stay spent', async (bench) => {
  const { coded, clock, verdict, press, look } = bench
  const { session: secret, handle, code } = await coded()
  clock.now += 90
  expect(await verdict(secret, code)).toBe('wrong 2')
  expect(await press(handle, session('alice', { subject: 'sub-mallory' }))).toBe(false)
  expect(await press(handle)).toBe(true)
  const again = (await look(handle)).code ?? ''
  expect(again).not.toBe(code)
  expect(await verdict(secret, code)).toBe('wrong 1')
  expect(await verdict(secret, again)).toBe('confirmed')
})

each('pressing twice in two tabs shows one code', async ({ start, press, look }) => {
  const { handle } = await start()
  expect((await Promise.all([press(handle), press(handle)])).filter(Boolean)).toHaveLength(1)
  const { code } = await look(handle)
  expect(await press(handle)).toBe(false)
  expect((await look(handle)).code).toBe(code)
})

each('"this was not me" ends it, also after the code was shown', async ({ coded, context, look, verdict, press }) => {
  const { session: secret, handle, code } = await coded()
  expect(await refuseTransaction(context, await look(handle), session('bob'))).toBe(false)
  expect(await refuseTransaction(context, await look(handle), session('alice'))).toBe(true)
  expect(await verdict(secret, code)).toBe('refused')
  expect(await press(handle)).toBe(false)
  expect(await look(handle)).toMatchObject({ state: 'refused', code: undefined })
})

each('after its time nothing is left of a login', async ({ coded, clock, verdict, context, database }) => {
  const { session: secret, handle, code } = await coded()
  clock.now += 300
  expect(await verdict(secret, code)).toBe('expired')
  expect(await findTransaction(context, handle)).toBeUndefined()
  await expireRows(database, clock.now)
  expect(await database.query('SELECT * FROM transactions')).toHaveLength(0)
})

each('two hundred at the same time do not mix', async ({ start, press, look, type }) => {
  const names = Array.from({ length: 200 }, (_, at) => `user${at}`)
  const confirmed = await Promise.all(
    names.map(async (name) => {
      const { handle, session: secret } = await start({ login: name })
      await press(handle, session(name))
      const checked = await type(secret, (await look(handle)).code ?? '')
      return checked.result === 'confirmed' ? checked.who.user : checked.result
    }),
  )
  expect(confirmed).toEqual(names)
})

each('a credential is known until it is revoked or replaced', async ({ context, database }) => {
  const first = await addHost(context, host)
  expect(await hostOf(database, `Bearer ${first}`)).toEqual(host)
  expect(await hostOf(database, first)).toEqual(host)
  const second = await addHost(context, host)
  expect(await hostOf(database, `Bearer ${first}`)).toBeUndefined()
  expect(await hostOf(database, `Bearer ${second}`)).toEqual(host)
  expect(await revokeHost(context, host.name)).toBe(true)
  expect(await revokeHost(context, host.name)).toBe(false)
  for (const header of [`Bearer ${second}`, '', undefined, 'Bearer ', `Basic ${second}`, `Bearer ${second}x`])
    expect(await hostOf(database, header)).toBeUndefined()
  // What is read from the database opens nothing.
  expect(JSON.stringify(await database.query('SELECT * FROM hosts'))).not.toContain(second)
})

each('a name belongs to its first person for ever, and a person keeps the first name', async ({ database }) => {
  const settle = (issuer: string, subject: string, name: string) =>
    settlePerson(database, { issuer, subject, name: name as LoginName }, 1)
  expect(await settle('https://a', '1', 'alice')).toBe('alice')
  expect(await settle('https://a', '2', 'alice')).toBeUndefined()
  expect(await settle('https://b', '1', 'alice')).toBeUndefined()
  expect(await settle('https://a', '1', 'bob')).toBe('alice')
  expect(await settle('https://a', '2', 'bob')).toBe('bob')
  expect(await releasePerson(database, 'alice')).toBe(true)
  expect(await releasePerson(database, 'alice')).toBe(false)
  expect(await settle('https://b', '1', 'alice')).toBe('alice')
})

each('of twenty who claim a name at the same time, one gets it', async ({ database }) => {
  const claims = Array.from({ length: 20 }, (_, at) =>
    settlePerson(database, { issuer: 'https://a', subject: `s${at}`, name: 'alice' as LoginName }, 1),
  )
  expect((await Promise.all(claims)).filter((name) => name === 'alice')).toHaveLength(1)
})

const who = {
  user: 'alice',
  subject: 'sub-alice',
  issuer: 'https://idp.example',
  groups: ['ops'],
  acr: '',
  authTime: 0,
}
const place = { host: 'web1.example.org', hostGroup: 'web' }

each('an approval covers the same person, key, network and group, and nothing else', async ({ context, clock }) => {
  const made = { ...asked, ...place, rhost: '2001:db8:1:2::7' }
  expect(await addApproval(context, made, { who, sid: 's' })).toBe(clock.now + 28_800)
  const covers = async (over: object) => (await findApproval(context, { ...made, ...over })) !== undefined
  expect(await covers({})).toBe(true)
  expect(await covers({ rhost: '2001:db8:1:2:ffff::1' })).toBe(true)
  expect(await covers({ host: 'web2.example.org' })).toBe(true)
  for (const other of [
    { login: 'bob' },
    { login: '' },
    { keyFingerprint: `SHA256:${'B'.repeat(43)}` },
    { keyFingerprint: '' },
    { rhost: '2001:db8:1:3::7' },
    { rhost: '192.0.2.7' },
    { rhost: '' },
    { hostGroup: 'db' },
    { hostGroup: '' },
    { service: 'sudo' },
    { service: 'sudo-i' },
    { service: 'login' },
    { approvalSeconds: 0 },
  ])
    expect([other, await covers(other)]).toEqual([other, false])
  clock.now += 3_600
  expect(await covers({ approvalSeconds: 3_600 })).toBe(false)
  expect(await covers({ approvalSeconds: 3_601 })).toBe(true)
  clock.now += 28_800 - 3_600
  expect(await covers({})).toBe(false)
})

each('an approval of a host without a group counts there alone', async ({ context }) => {
  const made = { ...asked, host: 'web1.example.org', hostGroup: '' }
  await addApproval(context, made, { who, sid: 's' })
  expect(await findApproval(context, made)).toBeDefined()
  expect(await findApproval(context, { ...made, host: 'web2.example.org' })).toBeUndefined()
})

each(
  'no approval without a key, for sudo, for nobody in particular, or where there is a limit of none',
  async ({ context }) => {
    for (const other of [
      { keyFingerprint: '' },
      { service: 'sudo' },
      { login: '' },
      { rhost: '' },
      { approvalSeconds: 0 },
    ])
      expect(await addApproval(context, { ...asked, ...place, ...other }, { who, sid: 's' })).toBeUndefined()
    const never = { ...context, config: { ...config, approval_max: 0 } }
    expect(await addApproval(never, { ...asked, ...place }, { who, sid: 's' })).toBeUndefined()
  },
)

each('an approval is listed, and withdrawn only by its person', async ({ context }) => {
  await addApproval(context, { ...asked, ...place }, { who, sid: 's' })
  const [one] = await approvalsOf(context, who)
  expect(await approvalsOf(context, { ...who, subject: 'sub-bob' })).toEqual([])
  expect(await revokeApproval(context, { ...who, subject: 'sub-bob' }, one!.id)).toBe(false)
  expect(await revokeApproval(context, who, one!.id)).toBe(true)
  expect(await findApproval(context, { ...asked, ...place })).toBeUndefined()
})

each('a logout at the provider ends its browsers, its approvals and its codes, and nobody else’s', async (bench) => {
  const { context, coded, verdict, database } = bench
  const { id: _, ...alice } = session('alice')
  const { id: __, ...bob } = session('bob')
  const [first, other] = [await startSession(context, alice), await startSession(context, bob)]
  await addApproval(context, { ...asked, ...place }, { who, sid: 'sid-alice' })
  const waiting = await coded()
  expect(await endAtProvider(context, { issuer: 'https://other', subject: 'sub-alice', sid: undefined })).toBe(0)
  expect(await endAtProvider(context, { issuer: alice.issuer, subject: undefined, sid: undefined })).toBe(0)
  expect(await endAtProvider(context, { issuer: alice.issuer, subject: undefined, sid: 'sid-alice' })).toBe(2)
  expect(await findSession(context, first)).toBeUndefined()
  expect(await findSession(context, other)).toBeDefined()
  expect(await findApproval(context, { ...asked, ...place })).toBeUndefined()
  expect(await verdict(waiting.session, waiting.code)).toBe('refused')
  expect(await database.query('SELECT * FROM approvals')).toHaveLength(0)
})
