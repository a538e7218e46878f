// The systemd units: that systemd understands them, and what a reader relies on without reading them.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { modes } from '../../modes/run/modes.ts'

const folder = join(import.meta.dir, '../../packaging/systemd')
const names = readdirSync(folder).filter((name) => /\.(service|timer)$/.test(name))
const textOf = (name: string): string => readFileSync(join(folder, name), 'utf8')

let copies: string
beforeAll(() => {
  copies = mkdtempSync(join(tmpdir(), 'ob-units-'))
  // The program need not be installed where this runs.
  for (const name of names) writeFileSync(join(copies, name), textOf(name).replaceAll('/usr/sbin/ob ', '/bin/true '))
})
afterAll(() => rmSync(copies, { recursive: true }))

const analyze = Bun.which('systemd-analyze')

test.each(names)('%s is understood by systemd, word for word', (name) => {
  if (analyze === null) return expect(name).toMatch(/^ob-/)
  const { exitCode, stderr } = Bun.spawnSync([analyze, 'verify', '--man=no', join(copies, name)], { stderr: 'pipe' })
  expect([exitCode, stderr.toString()]).toEqual([0, ''])
})

/** A stock program that a unit of ours runs. */
const stock: Readonly<Record<string, string>> = {
  'ob-ca-agent.service': '/usr/bin/ssh-agent',
  'ob-preload.service': '/bin/cat',
}

test.each(Object.entries(stock))('%s runs a stock %s', (name, program) => {
  expect(textOf(name)).toMatch(new RegExp(`^ExecStart=${program} `, 'm'))
})

const ours = names.filter((name) => name.endsWith('.service') && !Object.hasOwn(stock, name))
test.each(ours)('%s runs a mode that exists', (name) => {
  const [, mode] = /^ExecStart=\/usr\/sbin\/ob (\S+)/m.exec(textOf(name)) ?? []
  expect([...modes.keys()]).toContain(mode!)
})

test('no condition can leave the heartbeat dead, and a missed round is made up for', () => {
  for (const name of ['ob-heartbeat.service', 'ob-heartbeat.timer'])
    expect(textOf(name)).not.toMatch(/^(Condition|Assert)/m)
  const timer = textOf('ob-heartbeat.timer')
  for (const line of ['OnBootSec=1min', 'OnUnitActiveSec=5min', 'RandomizedDelaySec=30', 'Persistent=true'])
    expect(timer.split('\n')).toContain(line)
  expect(timer).toMatch(/^WantedBy=timers\.target$/m)
})

test('the heartbeat may write where the token lies and in /run, and can gain nothing', () => {
  const lines = textOf('ob-heartbeat.service').split('\n')
  for (const line of [
    'ProtectSystem=strict',
    'ReadWritePaths=-/var/lib/open-bastion',
    'RuntimeDirectory=open-bastion',
    'NoNewPrivileges=yes',
    'CapabilityBoundingSet=',
  ])
    expect(lines).toContain(line)
  // What is in /run outlives one round.
  expect(lines).toContain('RuntimeDirectoryPreserve=yes')
})

test('the heartbeat is exposed little', () => {
  if (analyze === null) return
  const limit = ['security', '--offline=yes', '--threshold=25', join(copies, 'ob-heartbeat.service')]
  expect(Bun.spawnSync([analyze, ...limit], { stdout: 'ignore', stderr: 'ignore' }).exitCode).toBe(0)
})

test('no unit needs a directory that may be absent, and ob serve is never given up', () => {
  // /run is always there, and what a RuntimeDirectory= line makes.
  for (const name of names.filter((name) => name.startsWith('ob-') && name.endsWith('.service')))
    for (const [, paths] of textOf(name).matchAll(/^ReadWritePaths=(.*)$/gm))
      for (const path of (paths ?? '').split(' '))
        expect([name, path]).toEqual([name, expect.stringMatching(/^-|^\/run(\/|$)/)])
  const serve = textOf('ob-serve.service').split('\n')
  for (const line of ['StartLimitIntervalSec=0', 'TimeoutStartSec=10', 'Restart=always']) expect(serve).toContain(line)
})
