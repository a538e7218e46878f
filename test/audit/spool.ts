// The spool on a real disk, below a directory of the test. As a program it drains it (`bun test/audit/spool.ts ROOT
// URL`) or leaves events in it (`… ROOT COUNT`).
import { disk } from '../../modes/world/files/disk.ts'
import { tlsFetch } from '../../modes/world/io/network.ts'
import { type Drained, drainSpool, openWebhookHttp, queueEvent } from '../../src/audit/webhooks.ts'
import type { Files, World } from '../../src/base/world.ts'
import { checkConfig } from '../../src/config/load.ts'
import { fakeWorld } from '../fakes/world.ts'

const real = disk(new AbortController().signal)

const below = (root: string): Files => ({
  ...real,
  read: (path, limit) => real.read(root + path, limit),
  readTrusted: (path, rules) => real.readTrusted(root + path, rules),
  stat: (path) => real.stat(root + path),
  list: (path) => real.list(root + path),
  writeAtomic: (path, data, options) => real.writeAtomic(root + path, data, options),
  remove: (path) => real.remove(root + path),
  makeDirectory: (path, mode) => real.makeDirectory(root + path, mode),
  withLock: (path, work) => real.withLock(root + path, work),
})

export const worldBelow = (root: string): World => ({
  ...fakeWorld({ now: Date.now() / 1000 }),
  files: below(root),
  fetch: tlsFetch,
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
})

export async function drainBelow(root: string, url: string): Promise<Drained> {
  const checked = checkConfig(`portal_url = https://auth.example.test\nnotify_enabled = true\nnotify_url = ${url}`)
  if (checked.kind !== 'accepted') throw new Error(JSON.stringify(checked.problems))
  const world = worldBelow(root)
  return drainSpool(world, checked.config, openWebhookHttp(world, checked.config))
}

const event = { timestamp: 1, event_type: 'RATE_LIMITED', correlation_id: 'c', host: 'h', result_code: 4, reason: 'r' }

export async function queueBelow(root: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await queueEvent(worldBelow(root), event)
}

if (import.meta.main) {
  const [root = '', what = ''] = process.argv.slice(2)
  if (/^\d+$/.test(what)) await queueBelow(root, Number(what))
  else await drainBelow(root, what)
}
