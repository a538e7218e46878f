// What ob doctor says on real hosts: nothing on the sound ones, and on broken ones what is broken.
import { expect } from 'bun:test'
import { settleIn } from './enrolled.ts'
import type { Lab, Stack } from './lab.ts'
import { inLab } from './suite.ts'

let lab: Lab

const lab_test = inLab({}, async (started) => {
  lab = started
  await settleIn(lab)
  await lab.need('ob heartbeat')
})

type Said = { readonly check: string; readonly verdict: string; readonly proof: string; readonly lets?: string }

async function doctor(): Promise<{ readonly code: number; readonly findings: readonly Said[] }> {
  const { code, stdout } = await lab.run('ob doctor --json')
  return { code, findings: JSON.parse(stdout).findings }
}

const worse = ({ verdict }: Said): boolean => ['open', 'shut', 'bad'].includes(verdict)

for (const stack of ['a', 'b', 'c', 'd', 'e'] as const satisfies readonly Stack[])
  lab_test(`mode ${stack} as shipped is sound`, async () => {
    await lab.setStack(stack)
    const { code, findings } = await doctor()
    expect(findings.filter(worse)).toEqual([])
    expect(code).toBe(0)
  })
