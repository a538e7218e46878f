// What ob doctor says about a backend: the rules that sshd's helper reads are those of the configuration, or the remedy
// makes them so.
import { expect, test } from 'bun:test'
import { publishHopPolicy } from '../../src/bastion/rules.ts'
import { checkConfig } from '../../src/config/load.ts'
import { judgeHops } from '../../src/health/hops.ts'
import { fakeWorld } from '../fakes/world.ts'

const configured = (more: string) => {
  const checked = checkConfig(`portal_url = https://auth.example.test\nbastion_jwt_allowed_bastions = one\n${more}`)
  if (checked.kind === 'refused') throw new Error(JSON.stringify(checked.problems))
  return checked.config
}
const stale = 'is not what openbastion.conf says'

test('the published rules are those of the configuration until it changes, and the heartbeat publishes them anew', () => {
  const world = fakeWorld({ files: {} })
  const said = (config: ReturnType<typeof configured>): string =>
    judgeHops(world, config, { problem: 'none' })
      .map(({ message }) => message)
      .join('\n')
  const before = configured('')
  expect(said(before)).toContain(stale)
  publishHopPolicy(world, before)
  expect(said(before)).not.toContain(stale)
  const after = configured('bastion_jwt_sources = 192.0.2.1\n')
  expect(said(after)).toContain(stale)
  publishHopPolicy(world, after)
  expect(said(after)).not.toContain(stale)
})
