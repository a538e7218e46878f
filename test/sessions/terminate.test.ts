// How sessions end: whatever logind does, however fast a process forks, whichever uid it took in a namespace.
import { expect, test } from 'bun:test'
import type { LoginName } from '../../src/base/names.ts'
import type { SpawnOptions } from '../../src/base/world.ts'
import { openSessionControl } from '../../src/sessions/terminate.ts'
import { fakeWorld } from '../fakes/world.ts'

const alice = 'alice' as LoginName

function hostWith(subuid = '') {
  const world = fakeWorld({ files: { '/etc/subuid': subuid } })
  const asked: { readonly argv: readonly string[]; readonly signal: AbortSignal | undefined }[] = []
  const spawn = async (argv: readonly string[], options?: SpawnOptions) => {
    asked.push({ argv, signal: options?.signal })
    return argv[0] === 'getent'
      ? { code: 0, stdout: 'alice:x:20001:20001::/home/alice:/bin/bash\n', stderr: '' }
      : { code: 137, stdout: '', stderr: '' }
  }
  return { world: { ...world, spawn }, running: world.running, asked }
}

test('a logind that hangs is waited for a few seconds, and the processes end all the same', async () => {
  const { world, running, asked } = hostWith()
  running.set(100, 20001).set(101, 20002)
  expect(await openSessionControl(world).terminate(alice)).toBe(true)
  expect([...running.keys()]).toEqual([101])
  for (const { argv, signal } of asked) expect([argv[0], signal instanceof AbortSignal]).toEqual([argv[0]!, true])
})

test('a process that forks as it is ended is stopped first', async () => {
  const { world, running } = hostWith()
  running.set(100, 20001)
  let next = 200
  const stopped = new Set<number>()
  const processes = {
    ...world.processes,
    signal: (pid: number, signal: string) => {
      if (signal === 'SIGSTOP') stopped.add(pid)
      if (signal !== 'SIGKILL') return
      running.delete(pid)
      // One that still runs has a child before it dies.
      if (!stopped.has(pid)) running.set(next++, 20001)
    },
  }
  expect(await openSessionControl({ ...world, processes }).terminate(alice)).toBe(true)
  expect([...running]).toEqual([])
})

test('processes with a subordinate uid of the user end too, and nobody else’s', async () => {
  const { world, running } = hostWith('bob:200000:65536\nalice:100000:65536\n20001:300000:10\nalice:0:1000\n')
  running.set(1, 0).set(2, 100_000).set(3, 165_535).set(4, 165_536).set(5, 200_001).set(6, 300_009).set(7, 33)
  await openSessionControl(world).terminate(alice)
  expect([...running.keys()]).toEqual([1, 4, 5, 7])
})
