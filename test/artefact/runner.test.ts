// The count that everybody reads must not be fooled by a suite that stops early, is empty or does not load.
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filesOf, root, select } from '../../packaging/suites.ts'
import { type Report, runSuite, tryAgain } from '../../packaging/test.ts'

const directory = mkdtempSync(join(tmpdir(), 'ob-runner-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const suite = async (name: string) => {
  const report = await runSuite({ name, patterns: [`test/artefact/fixture/suites/${name}.ts`] }, directory)
  const { passed, failed, skipped, complaint } = report
  return { passed, failed, skipped, complaint }
}

test('passed, failed and skipped tests are counted and named', async () => {
  expect(await suite('mixed')).toEqual({ passed: 1, failed: 1, skipped: ['is "skipped"'], complaint: undefined })
})

test('a test that ends the process with 0 is a failure', async () => {
  expect(await suite('exits')).toMatchObject({ failed: 1, complaint: 'ended with 0 and without a summary' })
})

test('a suite without a test is a failure', async () => {
  expect((await suite('empty')).failed).toBe(1)
})

test('a suite that does not load is a failure', async () => {
  expect((await suite('broken')).failed).toBeGreaterThan(0)
})

test('a suite without a file is a failure', async () => {
  expect(await suite('nowhere')).toEqual({ passed: 0, failed: 1, skipped: [], complaint: 'has no test file' })
})

const reported = (name: string, failed: number): Report => {
  return { name, passed: 3 - failed, failed, skipped: [], output: '', complaint: undefined }
}

test('what failed beside others counts when it passes alone, and is named; what fails twice has failed', async () => {
  const first = [reported('unlucky', 1), reported('broken', 2), reported('well', 0)]
  const ran: string[] = []
  const { reports, unstable } = await tryAgain(first, async (name) => {
    ran.push(name)
    return reported(name, name === 'broken' ? 2 : 0)
  })
  expect(ran).toEqual(['unlucky', 'broken'])
  expect(reports.map(({ failed }) => failed)).toEqual([0, 2, 0])
  expect(unstable).toEqual([first[0]!])
})

test('many failures are no accident: nothing runs again', async () => {
  const first = ['a', 'b', 'c', 'd'].map((name) => reported(name, 1))
  const again = await tryAgain(first, () => Promise.reject(new Error('was run')))
  expect(again).toEqual({ reports: first, unstable: [] })
})

const names = (...wanted: readonly string[]): readonly string[] => {
  const selection = select(wanted)
  return selection.kind === 'selected' ? selection.suites.map(({ name }) => name) : []
}

test('every test file there is runs, and none runs twice in the same way', () => {
  const selection = select([])
  const suites = selection.kind === 'selected' ? selection.suites : []
  const files = suites.filter(({ served }) => served !== true).flatMap(filesOf)
  expect(suites.filter(({ served }) => served === true).length).toBeGreaterThan(2)
  expect(files.toSorted()).toEqual([...new Bun.Glob('test/**/*.test.ts').scanSync(root)].sort())
})

test('a name selects a suite, a room, a folder or a file', () => {
  expect(names('login')).toEqual(['login'])
  expect(names('modes/pam')).toEqual(['modes/pam'])
  expect(names('host/keys', 'host/keys')).toEqual(['host/keys'])
  expect(names('host').length).toBeGreaterThan(10)
  const login = select(['login'])
  expect(login.kind === 'selected' && login.suites.flatMap(filesOf)).toContain('test/login/auth.test.ts')
})

test('a name that selects nothing is refused with the names that do', () => {
  const selection = select(['login', 'logni', '..', 'fakes'])
  expect(selection).toMatchObject({ kind: 'unknown', names: ['logni', '..', 'fakes'] })
  expect(selection.kind === 'unknown' && selection.known).toContain('login')
})
