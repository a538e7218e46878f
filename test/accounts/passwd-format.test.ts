import { expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  findPasswd,
  formatGroupLine,
  formatPasswdLine,
  formatShadowLine,
  mergeExport,
  parseGroup,
  parsePasswd,
  readIds,
} from '../../src/accounts/passwd-format.ts'
import { Fault } from '../../src/base/fault.ts'
import { fuzzText } from '../fakes/mutate.ts'

const alice = { name: 'alice', uid: 45475, gid: 45475, gecos: 'Alice Liddell', home: '/home/alice', shell: '/bin/bash' }
const aliceLine = 'alice:x:45475:45475:Alice Liddell:/home/alice:/bin/bash'

const name = fc.stringMatching(/^[a-z_][a-z0-9_-]{0,31}$/)
const field = fc.stringMatching(/^[ -9;-~é]{0,40}$/)
const id = fc.integer({ min: 0, max: 0xfffffffe })
const passwd = fc.record({ name, uid: id, gid: id, gecos: field, home: field, shell: field })

test('a passwd line has seven fields and no password', () => {
  expect(formatPasswdLine(alice)).toBe(aliceLine)
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(passwd, (entry) => {
      const [line] = parsePasswd(`${formatPasswdLine(entry)}\n`).lines
      expect(line).toMatchObject({ kind: 'entry', entry })
    }),
  )
  fc.assert(
    fc.property(fc.record({ name, gid: id, members: fc.array(name, { maxLength: 4 }) }), (entry) => {
      const [line] = parseGroup(`${formatGroupLine(entry)}\n`).lines
      expect(line).toMatchObject({ kind: 'entry', entry })
    }),
  )
})

test('a line of our own form that is accepted would have been written the same', () => {
  const samples = [`${aliceLine}\n`, 'bob:x:10001:10001::/home/bob:/bin/sh\n']
  fuzzText(samples, (text) => {
    for (const line of parsePasswd(text).lines) {
      if (line.kind !== 'entry' || !/^[^:]+:x:(0|[1-9]\d*):(0|[1-9]\d*):/.test(line.text)) continue
      expect(formatPasswdLine(line.entry)).toBe(line.text)
    }
  })
})

test('a shadow line is locked', () => {
  expect(formatShadowLine({ name: 'alice', changedAt: 20600 })).toBe('alice:*:20600:0:99999:7:::')
})

test.each(['a:b', 'a\nb', 'a\0b', 'a\u007fb', 'a\u0085b', 'a\u2028b', 'a\ud800b', '\t'])(
  '%j is never written',
  (text) => {
    for (const member of ['name', 'gecos', 'home', 'shell']) {
      expect(() => formatPasswdLine({ ...alice, [member]: text })).toThrow(Fault)
    }
    expect(() => formatGroupLine({ name: text, gid: 1, members: [] })).toThrow(Fault)
    expect(() => formatGroupLine({ name: 'dev', gid: 1, members: [text] })).toThrow(Fault)
    expect(() => formatShadowLine({ name: text, changedAt: 1 })).toThrow(Fault)
  },
)

test.each(['', '+', '-nis', '#alice', 'a b', 'a,b', 'a/b'])('%j cannot begin a line', (text) => {
  expect(() => formatPasswdLine({ ...alice, name: text })).toThrow(Fault)
})

test.each([-1, 1.5, Number.NaN, 2 ** 32 - 1, 1e21])('%d is no uid', (uid) => {
  expect(() => formatPasswdLine({ ...alice, uid })).toThrow(Fault)
})

test('comments, blank lines and malformed lines are told apart, with their numbers', () => {
  const { lines } = parsePasswd(`# ours\n\n${aliceLine}\nbroken\n+::::::\n`)
  expect(lines.map((line) => `${line.number} ${line.kind}`)).toEqual([
    '1 comment',
    '2 comment',
    '3 entry',
    '4 malformed',
    '5 malformed',
  ])
})

test('a scan for a name skips malformed lines and never matches a prefix', () => {
  const text = `ali:x:1:1::/:/bin/sh\nalice:x:broken\n${aliceLine}\n`
  expect(findPasswd(text, 'alice')).toEqual(alice)
  expect(findPasswd(text, 'al')).toBeUndefined()
})

const merge = (existing: string, managed: Readonly<Record<string, string>>, owned: readonly string[]) =>
  mergeExport({ file: 'passwd', existing, managed: new Map(Object.entries(managed)), ownedNames: new Set(owned) })

const foreign = 'app:x:900:900::/srv/app:/usr/sbin/nologin'

test('foreign lines stay where they are, ours are replaced in place, new ones come last', () => {
  const bob = 'bob:x:47480:47480::/home/bob:/bin/sh'
  const existing = `# kept\nalice:x:45475:45475:Old:/home/alice:/bin/sh\n\n${foreign}`
  expect(merge(existing, { bob, alice: aliceLine }, ['alice', 'bob'])).toEqual({
    text: `# kept\n${aliceLine}\n\n${foreign}\n${bob}\n`,
  })
})

test('a user of ours who left is dropped, and so is a line of ours that somebody doubled or broke', () => {
  const existing = `carol:x:1:1::/:/bin/sh\nalice:broken\n${aliceLine}\n${foreign}\n`
  expect(merge(existing, { alice: aliceLine }, ['alice', 'carol'])).toEqual({ text: `${aliceLine}\n${foreign}\n` })
})

test('nothing is written while a foreign line would hide the rest', () => {
  expect(merge(`${foreign}\nbroken\n${aliceLine}\n`, { alice: aliceLine }, ['alice'])).toEqual({
    malformed: { line: 2, text: 'broken' },
  })
})

test('an empty file gets a last newline, and merging twice changes nothing', () => {
  const once = merge('', { alice: aliceLine }, ['alice'])
  expect(once).toEqual({ text: `${aliceLine}\n` })
  expect(merge(`${aliceLine}\n`, { alice: aliceLine }, ['alice'])).toEqual(once)
  expect(merge('', {}, [])).toEqual({ text: '' })
})

test('group and shadow files have their own number of fields', () => {
  const line = formatShadowLine({ name: 'alice', changedAt: 20600 })
  const request = {
    existing: 'app:!:1:0:99999:7:::\n',
    managed: new Map([['alice', line]]),
    ownedNames: new Set(['alice']),
  }
  expect(mergeExport({ file: 'shadow', ...request })).toEqual({ text: `app:!:1:0:99999:7:::\n${line}\n` })
  expect(() => mergeExport({ file: 'passwd', ...request })).toThrow(Fault)
  const dev = formatGroupLine({ name: 'dev', gid: 20000, members: ['alice', 'bob'] })
  const groups = { existing: 'app:x:900:\n', managed: new Map([['dev', dev]]), ownedNames: new Set<string>() }
  expect(mergeExport({ file: 'group', ...groups })).toEqual({ text: `app:x:900:\ndev:x:20000:alice,bob\n` })
})

test('a line with the fields of another file is malformed', () => {
  const none = { managed: new Map<string, string>(), ownedNames: new Set<string>() }
  const lines = { passwd: foreign, group: 'app:x:900:', shadow: 'app:!:1:0:99999:7:::' }
  for (const file of ['passwd', 'group', 'shadow'] as const) {
    for (const [kind, line] of Object.entries(lines)) {
      const text = `${line}\n`
      const expected = kind === file ? { text } : { malformed: { line: 1, text: line } }
      expect(mergeExport({ file, existing: text, ...none })).toEqual(expected)
    }
  }
})

test('in shadow(5) a name is a name, and a password may be none', () => {
  const none = { managed: new Map<string, string>(), ownedNames: new Set<string>() }
  const merged = (line: string) => mergeExport({ file: 'shadow', existing: `${line}\n`, ...none })
  expect(merged('app::1:0:99999:7:::')).toEqual({ text: 'app::1:0:99999:7:::\n' })
  for (const text of [':!:1:0:99999:7:::', '+:!:1:0:99999:7:::', '-app:!:1:0:99999:7:::'])
    expect(merged(text)).toEqual({ malformed: { line: 1, text } })
})

test('a managed line under another name, or two lines in one, is a fault', () => {
  expect(() => merge('', { bob: aliceLine }, [])).toThrow(Fault)
  expect(() => merge('', { alice: `${aliceLine}\n${foreign}` }, [])).toThrow(Fault)
})

test('no mutation of a passwd file does more than a fault', () => {
  const sample = `# c\n${foreign}\n${aliceLine}\n`
  expect(fuzzText([sample], (text) => merge(text, { alice: aliceLine }, ['alice']))).toBeGreaterThan(0)
})

test.each<readonly [string, Readonly<Record<string, number>>]>([
  ['app:x:900:900::/:/bin/sh\ngroup:x:901:\n', { app: 900, group: 901 }],
  ['app:x:900\n  late:x:901:901\n\tlater:x: 902 :', { app: 900, late: 901, later: 902 }],
  ['# app:x:900:\n#app:x:901:\n:x:902:\n\n', {}],
  ['app:x:\napp:x:nine:\napp:x:-1:\napp\n+::::::\n', {}],
  ['app:x:900:\napp:x:901:\n', { app: 900, 'app:901': 901 }],
  ['app:x:+900:\ntoor:x:-0:\nnull:x:+-0:\nless:x:-9:\n', { app: 900, toor: 0 }],
])('in %j the C library finds the ids %j', (text, ids) => {
  expect(Object.fromEntries(readIds(text))).toEqual(ids)
})
