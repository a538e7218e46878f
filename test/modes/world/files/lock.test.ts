import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { disk } from '../../../../modes/world/files/disk.ts'
import { Fault } from '../../../../src/base/fault.ts'

test('a lock that another process holds is waited for as long as it is said, and no longer', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'lock-'))
  const files = disk(new AbortController().signal)
  const path = join(directory, '.lock')
  const release = Promise.withResolvers<void>()
  const held = files.withLock(path, () => release.promise)
  const startedAt = performance.now()
  const second = await files.withLock(path, () => 'taken', 0.2).catch((error: unknown) => error)
  expect(second instanceof Fault && second.kind).toBe('busy')
  expect(performance.now() - startedAt).toBeGreaterThan(190)
  const third = files.withLock(path, () => 'taken', 20)
  release.resolve()
  await held
  expect(await third).toBe('taken')
  rmSync(directory, { recursive: true })
})
