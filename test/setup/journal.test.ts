// A set-up is a transaction: whatever is interrupted, the host goes back byte for byte.
import { expect, test } from 'bun:test'
import { utf8 } from '../../src/base/bytes.ts'
import { applyPlan, readJournal, setState, undo } from '../../src/setup/journal.ts'
import { formatJournal, type JournalFile, parseJournal, restorationOf } from '../../src/setup/journal-format.ts'
import type { Plan } from '../../src/setup/plan-policy.ts'
import { type FakeWorld, fakeWorld } from '../fakes/world.ts'

const before = { '/etc/pam.d/sshd': 'old stack\n', '/etc/nsswitch.conf': 'passwd: files\n' }
const plan: Plan = {
  edits: [
    {
      path: '/etc/nsswitch.conf',
      before: 'passwd: files\n',
      after: 'passwd: files extrausers\n',
      mode: 0o644,
      why: '',
    },
    { path: '/etc/sudoers.d/open-bastion', before: undefined, after: 'list\n', mode: 0o440, why: '' },
    { path: '/etc/pam.d/sshd', before: 'old stack\n', after: 'new stack\n', mode: 0o644, why: '' },
  ],
  problems: [],
}
const about = { mode: 'a', revertAt: 2_000_000_600 }

/** A host with these files, readable by everybody as in /etc. */
function hostWith(files: Readonly<Record<string, string>>, broken?: (path: string) => string | undefined): FakeWorld {
  const world = fakeWorld({ files, ...(broken && { broken }) })
  for (const path of Object.keys(files)) world.disk.get(path)!.mode = 0o644
  return world
}

const etc = (world: FakeWorld): Record<string, string> =>
  Object.fromEntries(
    [...world.disk]
      .filter(([path]) => path.startsWith('/etc/'))
      .map(([path, { data, mode }]) => [`${path} ${mode.toString(8)}`, new TextDecoder().decode(data)]),
  )

test('applied and undone: every file is as before, a new one is gone', () => {
  const world = hostWith(before)
  const start = etc(world)
  const journal = applyPlan(world, plan, about)
  expect(etc(world)).toEqual({
    '/etc/nsswitch.conf 644': 'passwd: files extrausers\n',
    '/etc/sudoers.d/open-bastion 440': 'list\n',
    '/etc/pam.d/sshd 644': 'new stack\n',
  })
  // Until somebody tested the result.
  expect(readJournal(world)?.state).toBe('applying')
  expect(undo(world, journal).changedSince).toEqual([])
  expect(etc(world)).toEqual(start)
  expect(readJournal(world)?.state).toBe('undone')
})

test('interrupted at any write, in applying or in undoing: the host goes back byte for byte', () => {
  for (let writes = 0; writes < 12; writes++) {
    let left = writes
    let isDead = true
    const world = hostWith(before, () => (isDead && left-- <= 0 ? 'killed' : undefined))
    const start = etc(world)
    try {
      undo(world, applyPlan(world, plan, about))
    } catch {}
    isDead = false
    const journal = readJournal(world)
    if (journal && journal.state !== 'undone') undo(world, journal)
    expect(etc(world)).toEqual(start)
  }
})

test('a file that changed between plan and change stops everything before the first write', () => {
  const world = hostWith({ ...before, '/etc/pam.d/sshd': 'somebody was here\n' })
  const start = etc(world)
  expect(() => applyPlan(world, plan, about)).toThrow('/etc/pam.d/sshd changed since the plan was made')
  expect(etc(world)).toEqual(start)
  expect(readJournal(world)).toBeUndefined()
})

test('a file that another program changed after the set-up is left alone and named', () => {
  const world = hostWith(before)
  const journal = applyPlan(world, plan, about)
  world.files.writeAtomic('/etc/nsswitch.conf', 'passwd: files sss\n', { mode: 0o644 })
  expect(undo(world, journal).changedSince).toEqual(['/etc/nsswitch.conf'])
  expect(etc(world)['/etc/nsswitch.conf 644']).toBe('passwd: files sss\n')
  expect(etc(world)['/etc/pam.d/sshd 644']).toBe('old stack\n')
})

test('a second set-up still goes back to the files before the first', () => {
  const world = hostWith(before)
  const start = etc(world)
  setState(world, applyPlan(world, plan, about), 'confirmed')
  const second: Plan = {
    edits: [{ path: '/etc/pam.d/sshd', before: 'new stack\n', after: 'newer stack\n', mode: 0o644, why: '' }],
    problems: [],
  }
  undo(world, applyPlan(world, second, { ...about, mode: 'c' }))
  expect(etc(world)).toEqual(start)
})

test('a file keeps its owner and mode, and a configuration with a secret is root’s alone', () => {
  const world = hostWith({ ...before, '/etc/open-bastion/openbastion.conf': 'a = 1\n' })
  world.disk.get('/etc/nsswitch.conf')!.mode = 0o640
  const secret = {
    path: '/etc/open-bastion/openbastion.conf',
    before: 'a = 1\n',
    after: 'a = 2\n',
    mode: 0o600,
    why: '',
  }
  applyPlan(world, { edits: [...plan.edits, secret], problems: [] }, about)
  expect([world.disk.get('/etc/nsswitch.conf')?.mode, world.disk.get(secret.path)?.mode]).toEqual([0o640, 0o600])
})

test('a journal comes back as it was written, and a damaged one is named', () => {
  const world = hostWith(before)
  const journal = applyPlan(world, plan, about)
  expect(parseJournal(formatJournal(journal))).toEqual(journal)
  world.files.writeAtomic('/var/lib/open-bastion/setup/journal.json', '{"version":1', { mode: 0o600 })
  expect(() => readJournal(world)).toThrow('is damaged')
})

const entry: JournalFile = {
  path: '/a',
  before: utf8('old').toBase64(),
  after: utf8('new').toBase64(),
  mode: 0o644,
  uid: 0,
  gid: 0,
}
test.each<readonly [string, JournalFile, string | undefined, string]>([
  ['as the set-up wrote it', entry, 'new', 'write'],
  ['as before', entry, 'old', 'nothing'],
  ['changed since', entry, 'other', 'changed-since'],
  ['removed since', entry, undefined, 'changed-since'],
  ['made by the set-up', { ...entry, before: null }, 'new', 'remove'],
  ['made by the set-up and gone', { ...entry, before: null }, undefined, 'nothing'],
])('%s', (_, about, now, kind) => {
  expect(restorationOf(about, now === undefined ? undefined : utf8(now)).kind).toBe(kind as 'write')
})

/** What the setup of mode a wrote, confirmed, and a change to mode b on top of it. */
function changed(): { world: FakeWorld; start: Record<string, string>; inModeA: Record<string, string> } {
  const world = hostWith(before)
  const start = etc(world)
  setState(world, applyPlan(world, plan, { ...about, units: ['ob-serve.service'] }), 'confirmed')
  const inModeA = etc(world)
  const change: Plan = {
    edits: [
      { path: '/etc/pam.d/sshd', before: 'new stack\n', after: 'stack of b\n', mode: 0o644, why: '' },
      { path: '/etc/pam.d/extra', before: undefined, after: 'of b\n', mode: 0o644, why: '' },
    ],
    problems: [],
  }
  applyPlan(world, change, { mode: 'b', revertAt: 2_000_001_000 })
  return { world, start, inModeA }
}

test('a change of the mode that nobody confirms goes back to the mode that was confirmed', () => {
  const { world, start, inModeA } = changed()
  undo(world, readJournal(world)!, 'earlier')
  expect(etc(world)).toEqual(inModeA)
  const journal = readJournal(world)!
  expect([journal.state, journal.mode, journal.units]).toEqual(['confirmed', 'a', ['ob-serve.service']])
  undo(world, journal)
  expect(etc(world)).toEqual(start)
})

test('a confirmed change of the mode goes back to where no set-up was', () => {
  const { world, start } = changed()
  undo(world, setState(world, readJournal(world)!, 'confirmed'))
  expect([etc(world), readJournal(world)?.state, readJournal(world)?.units]).toEqual([start, 'undone', []])
})

test('two changes in a row, neither confirmed, go back to the mode that was', () => {
  const { world, inModeA } = changed()
  const again: Plan = {
    edits: [{ path: '/etc/pam.d/sshd', before: 'stack of b\n', after: 'stack of c\n', mode: 0o644, why: '' }],
    problems: [],
  }
  undo(world, applyPlan(world, again, { ...about, mode: 'c' }), 'earlier')
  expect([etc(world), readJournal(world)?.mode]).toEqual([inModeA, 'a'])
})

test('a change of the mode that is interrupted at any write goes back to the mode that was', () => {
  for (let writes = 0; writes < 8; writes++) {
    let left = Number.POSITIVE_INFINITY
    const world = hostWith(before, () => (left-- <= 0 ? 'killed' : undefined))
    setState(world, applyPlan(world, plan, about), 'confirmed')
    const inModeA = etc(world)
    const change: Plan = {
      edits: ['/etc/pam.d/sshd', '/etc/nsswitch.conf'].map((path) => ({
        path,
        before: new TextDecoder().decode(world.disk.get(path)!.data),
        after: 'of b\n',
        mode: 0o644,
        why: '',
      })),
      problems: [],
    }
    left = writes
    try {
      applyPlan(world, change, { mode: 'b', revertAt: 2_000_001_000 })
    } catch {}
    left = Number.POSITIVE_INFINITY
    const journal = readJournal(world)!
    if (journal.state !== 'confirmed') undo(world, journal, 'earlier')
    expect([writes, etc(world), readJournal(world)?.mode]).toEqual([writes, inModeA, 'a'])
  }
})
