// A user may start sudo as an idle process on one processor; what root decides below it must not starve there.
import { expect, test } from 'bun:test'
import { getPriority } from 'node:os'

const program = `
import { readFileSync } from 'node:fs'
import { leaveCallersScheduling } from '${import.meta.dir}/../../../../modes/world/process/scheduling.ts'
const show = () => {
  const [, , , , , , , , , , , , , , , , nice, ...rest] = readFileSync('/proc/self/stat', 'latin1').replace(/.*\\) /s, '').split(' ')
  const cpus = /^Cpus_allowed:\\t(.*)$/m.exec(readFileSync('/proc/self/status', 'latin1'))[1]
  return { nice, policy: rest[21], cpus }
}
const before = show()
leaveCallersScheduling()
console.log(JSON.stringify([before, show()]))
`
test.skipIf(process.getuid?.() !== 0)('scheduling class, niceness and processors are put back', () => {
  const caller = ['chrt', '-i', '0', 'taskset', '0x1', 'nice', '-n', '7']
  const { stdout } = Bun.spawnSync([...caller, process.execPath, '-e', program])
  const [before, after] = JSON.parse(stdout.toString())
  expect([before.nice, before.policy, Number.parseInt(before.cpus, 16)]).toEqual([
    String(Math.min(19, getPriority() + 7)),
    '5',
    1,
  ])
  expect([after.nice, after.policy]).toEqual(['0', '0'])
  if (navigator.hardwareConcurrency > 1) expect(Number.parseInt(after.cpus.replaceAll(',', ''), 16)).toBeGreaterThan(1)
})
