// What the C implementation's own loader made of these files, and what this one makes of them.
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { defaultHomePrefixes, defaultShells, sanitizeGecos } from '../../src/accounts/passwd-fields-format.ts'
import {
  addSection,
  formatServiceAccount,
  parseServiceAccounts,
  removeSection,
  type ServiceAccount,
} from '../../src/accounts/service-accounts-format.ts'
import { decideServiceKey } from '../../src/accounts/service-accounts-policy.ts'
import { type Fingerprint, type LoginName, parseFingerprint, parseLoginName } from '../../src/base/names.ts'
import type { Proof } from '../../src/ssh/proof.ts'
import { fuzzText } from '../fakes/mutate.ts'
import nss from '../vectors/nss.json' with { type: 'json' }
import vectors from '../vectors/service-accounts.json' with { type: 'json' }
import names from '../vectors/validators.json' with { type: 'json' }

type Case = (typeof vectors.cases)[number]
type Accepted = Case['accepted'][number]

const rules = { approvedShells: defaultShells, homePrefixes: defaultHomePrefixes }
const key = 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU'

const textOf = ({ conf, conf_hex }: Case): string =>
  conf_hex === null ? (conf ?? '') : new TextDecoder('latin1').decode(Uint8Array.fromHex(conf_hex))

const gecosOf = (gecos: unknown): string | undefined => {
  if (gecos === null) return undefined
  if (typeof gecos === 'string') return sanitizeGecos(gecos)
  return new TextDecoder('latin1').decode(Uint8Array.fromHex((gecos as { bytes_hex: string }).bytes_hex))
}

/** As upstream's list: null for nothing, 0 for no id. */
const plain = (account: ServiceAccount) => ({
  name: account.name as string,
  key_fingerprint: account.fingerprint as string,
  sudo_allowed: account.sudoAllowed,
  sudo_nopasswd: account.sudoNopasswd,
  gecos: account.gecos,
  shell: account.shell ?? null,
  home: account.home ?? null,
  uid: account.uid ?? 0,
  gid: account.gid ?? 0,
})
const expectedOf = (one: Accepted) => ({ ...one, gecos: gecosOf(one.gecos), home: one.home === '' ? null : one.home })

type Difference = {
  readonly why: string
  readonly cases: readonly string[]
  readonly says?: string
  readonly names?: string
}

// Every case where this program does not do what upstream's loader did, and why. `names` are the accounts here.
const differences: readonly Difference[] = [
  {
    why: 'a header that is wrong took its keys to the account before it',
    cases: ['malformed section: following keys go to the previous account'],
    says: 'belong to no account',
    names: 'ansible without sudo',
  },
  { why: 'text after the name', cases: ["section name 'a]b'"], says: 'the section header is not [name]' },
  { why: 'root is nobody’s service account', cases: ["section name 'root'"], says: 'root cannot be' },
  {
    why: 'two sections of one name: nobody knows which was meant',
    cases: ['duplicate section ignored'],
    says: 'is there already',
  },
  {
    why: 'a fingerprint is SHA-256 and whole; MD5 is forgeable',
    cases: [
      ...["'SHA256:'", "'MD5:aa:bb:cc'", "'MD5:'", "'SHA256:abc=='", '\'"SHA256:abc"\'', '"\'SHA256:abc\'"'].map(
        (text) => `fingerprint ${text}`,
      ),
      "fingerprint 'SHA256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
      'fingerprint given twice: last wins',
    ],
    says: 'key_fingerprint must be',
  },
  { why: 'an open quote', cases: ["fingerprint '\"SHA256:abc'"], says: 'does not end with it' },
  { why: 'a line that is no entry', cases: ['line without = ignored'], says: 'it has no =' },
  {
    why: 'TRUE was no, and somebody meant yes: nobody knows which counts',
    cases: ["sudo_allowed 'True'", "sudo_allowed 'TRUE'", "sudo_allowed 'YES'"],
    says: 'sudo_allowed must be true or false, in lower case',
  },
  { why: 'a word that is neither', cases: ["sudo_allowed '2'"], says: 'sudo_allowed must be true or false' },
  {
    why: 'an id that is no id, or reserved for the system, was taken or left out in silence',
    cases: ['999', '65534', '99999999999999999999', 'abc', '12abc', '1.5', '010'].map((id) => `uid '${id}'`),
    says: 'uid must be',
  },
  {
    why: 'a long line was read as two, and its tail could be a key',
    cases: ['line longer than 1023 is read as two lines', 'long line whose tail looks like a key'],
    says: 'the line is longer than',
  },
  { why: 'there is no limit of 64', cases: ['65 accounts: the 65th is dropped'], names: '65 accounts' },
]

const differenceOf = (one: Case) => differences.find(({ cases }) => cases.includes(one.name))

const nameless = (accounts: readonly ServiceAccount[]): string => {
  if (accounts.length > 1) return `${accounts.length} accounts`
  return accounts.map(({ name, sudoAllowed }) => `${name} ${sudoAllowed ? 'with' : 'without'} sudo`).join()
}

// The file's mode and owner are judged where it is read.
const readable = vectors.cases.filter(({ load_rc }) => load_rc === 0)

test.each(readable.map((one) => [one.name.slice(0, 70), one] as const))(
  '%s: read as upstream read it, or otherwise for a listed reason',
  (_, one) => {
    const { accounts, problems } = parseServiceAccounts(textOf(one), rules)
    const list = [...accounts.values()]
    const difference = differenceOf(one)
    if (difference) {
      expect(nameless(list)).toBe(difference.names ?? '')
      if (difference.says !== undefined) expect(problems.map(({ text }) => text).join('\n')).toContain(difference.says)
      return
    }
    expect(list.map(plain)).toEqual(one.accepted.map(expectedOf))
    // Whoever was dropped upstream is told about here, with the line.
    expect(problems.length > 0).toBe(one.reasons.length > 0)
    for (const { line } of problems) expect(line).toBeGreaterThan(0)
  },
)

test('every listed difference is about a case there is', () => {
  const names = new Set(vectors.cases.map(({ name }) => name))
  const unknown = differences.flatMap(({ cases }) => cases).filter((name) => !names.has(name))
  expect(unknown).toEqual([])
})

test.each(names.usernames.map((one) => [one.input_hex, one] as const))(
  'a section is named as upstream names one, %s',
  (_, { input_hex, service_account_validate_username: valid }) => {
    const written = new TextDecoder('latin1').decode(Uint8Array.fromHex(input_hex))
    const { accounts } = parseServiceAccounts(`[${written}]\nkey_fingerprint = ${key}\n`, rules)
    expect(accounts.has(written)).toBe(valid && written !== 'root')
  },
)

const standing = (text: string, more = rules) => {
  const { accounts, broken, problems } = parseServiceAccounts(text, more)
  return { good: [...accounts.keys()], broken: [...broken.keys()], lines: problems.map(({ line }) => line) }
}

test('an account with an error keeps its name, so that nobody else is asked about it', () => {
  expect(standing(`[a]\nkey_fingerprint = MD5:aa\n[b]\nkey_fingerprint = ${key}\n`)).toEqual({
    good: ['b'],
    broken: ['a'],
    lines: [2],
  })
  expect(standing(`[a]\nkey_fingerprint = ${key}\n[a]\nkey_fingerprint = ${key}\n`)).toEqual({
    good: [],
    broken: ['a'],
    lines: [3],
  })
  expect(standing(`[a]\nkey_fingerprint = ${key}\nsudo_alowed = true\n`)).toEqual({
    good: [],
    broken: ['a'],
    lines: [3],
  })
})

// Upstream reads "true # c" and "true" with a blank of another kind as no, and sees no header behind a byte order mark.
test.each([
  ['a comment behind the value', `[a]\nkey_fingerprint = ${key}\nsudo_allowed = true # since May\n`, 3],
  ['a comment behind the fingerprint', `[a]\nkey_fingerprint = ${key} # laptop\n`, 2],
  ['a byte order mark', `\ufeff[a]\nkey_fingerprint = ${key}\nsudo_allowed = true\n`, 1],
  ['a no-break space', `[a]\nkey_fingerprint = ${key}\nsudo_allowed = true\u00a0\n`, 3],
])('what gave nothing to the account there gives nothing here: %s', (_, text, line) => {
  expect(standing(text)).toEqual({ good: [], broken: ['a'], lines: [line] })
})

test('a # inside quotes is a part of the value', () => {
  expect(standing(`[a]\nkey_fingerprint = ${key}\ngecos = "Printer #3"\n`)).toEqual({
    good: ['a'],
    broken: [],
    lines: [],
  })
})

test('lines before the first section belong to nobody', () => {
  expect(standing(`sudo = yes\n[a]\nssh_key = ${key}\n`)).toEqual({ good: ['a'], broken: [], lines: [1] })
})

test('approved_shells and approved_home_prefixes apply', () => {
  const text = `[a]\nssh_key = ${key}\nshell = /opt/sh\nhome = /srv/a\n`
  expect(standing(text).broken).toEqual(['a'])
  expect(standing(text, { approvedShells: ['/opt/sh'], homePrefixes: ['/srv'] }).good).toEqual(['a'])
})

const name = fc.stringMatching(/^[a-z_][a-z0-9_-]{0,31}$/).filter((text) => text !== 'root')
const arbitrary: fc.Arbitrary<ServiceAccount> = fc.record(
  {
    name: name.map((text) => parseLoginName(text)!),
    fingerprint: fc.stringMatching(/^[A-Za-z0-9+/]{43}$/).map((text) => parseFingerprint(`SHA256:${text}`)!),
    sudoAllowed: fc.boolean(),
    sudoNopasswd: fc.boolean(),
    gecos: fc.stringMatching(/^[A-Za-z0-9 ,;='#-]{0,40}[A-Za-z]$/).map((text) => text.trim()),
    shell: fc.constantFrom(...defaultShells),
    home: name.map((text) => `/home/${text}`),
    uid: fc.integer({ min: 1000, max: 61183 }),
    gid: fc.integer({ min: 1000, max: 61183 }),
  },
  { requiredKeys: ['name', 'fingerprint', 'sudoAllowed', 'sudoNopasswd'] },
)

test('what is written is read as it was', () => {
  fc.assert(
    fc.property(arbitrary, (account) => {
      const { accounts, problems } = parseServiceAccounts(formatServiceAccount(account), rules)
      expect(problems).toEqual([])
      expect([...accounts.values()]).toEqual([account])
    }),
  )
})

const neighbours = `# ours\n[first]\n# of the backup\nkey_fingerprint = ${key}\n\n# the second one\n[second]\nssh_key = ${key}\n`

test('adding and removing an account leaves everything else as it was', () => {
  fc.assert(
    fc.property(arbitrary, (account) => {
      fc.pre(account.name !== 'first' && account.name !== 'second')
      const added = addSection(neighbours, account)
      expect(added.startsWith(neighbours)).toBe(true)
      expect(standing(added).good).toEqual(['first', 'second', account.name])
      expect(removeSection(added, account.name)).toBe(neighbours)
    }),
  )
})

test('a comment above the next section stays when the one before it goes', () => {
  expect(removeSection(neighbours, 'first')).toBe(`# ours\n\n# the second one\n[second]\nssh_key = ${key}\n`)
  expect(removeSection(neighbours, 'second')).toBe(
    `# ours\n[first]\n# of the backup\nkey_fingerprint = ${key}\n\n# the second one\n`,
  )
  expect(removeSection(neighbours, 'nobody')).toBe(neighbours)
})

test('no input makes the parser do anything but answer', () => {
  const samples = readable.map(textOf)
  expect(fuzzText(samples, (text) => parseServiceAccounts(text, rules))).toBeGreaterThan(0)
})

test('a key is the account’s own, as upstream compared it', () => {
  const { conf, vectors: rows } = vectors.validate_key
  const { accounts } = parseServiceAccounts(conf, rules)
  for (const { user, fingerprint, rc } of rows) {
    const account = accounts.get(user as LoginName)
    const found = account === undefined ? -1 : account.fingerprint === fingerprint ? 0 : -2
    expect([user, fingerprint, found]).toEqual([user, fingerprint, rc])
    if (account === undefined) continue
    const proof = { kind: 'key', fingerprint: (fingerprint ?? '') as Fingerprint } as Proof
    expect(decideServiceKey({ kind: 'sound', account }, proof).kind).toBe(rc === 0 ? 'allowed' : 'denied')
  }
})

// Upstream's NSS module read the same file by looser rules: no fingerprint, any id, any shell and home.
const nssDifferences: Readonly<Record<string, string>> = {
  'unapproved shell and home are NOT checked here': 'a shell and a home are checked wherever they are read',
  'uid 65534': 'this id is nobody’s',
  'no fingerprint needed': 'an account without a key is none',
  '32 chars': 'ids below 1000 are reserved',
  'second section wins nothing': 'of two sections of one name, none counts',
  'comment lines': 'ids below 1000 are reserved',
  'quotes are kept': 'a value is written with or without quotes, and means the same',
  CRLF: 'ids below 1000 are reserved',
  'gecos with colon': 'a colon would make two fields of one',
}

test.each(nss.service_account_lookup)('through NSS: $name', ({ name, conf, user, passwd, mode, owner_gid }) => {
  // Who may read and write the file is judged where it is read.
  if (mode !== '0o600' || owner_gid !== 0) return expect(passwd).toBeNull()
  const { accounts } = parseServiceAccounts(conf.replace('SHA256:abc', key), {
    ...rules,
    homePrefixes: [...rules.homePrefixes, '/var/lib'],
  })
  const account = accounts.get(user as LoginName)
  const found = account && {
    ...{ name: user, passwd: 'x', uid: account.uid, gid: account.gid, gecos: account.gecos ?? '' },
    ...{ dir: account.home ?? `/home/${user}`, shell: account.shell ?? '/bin/bash' },
  }
  if (name in nssDifferences) return expect(found).not.toEqual(passwd as never)
  expect(found ?? null).toEqual(passwd as never)
})
