// ob serve with real sockets in a /run of its own: what it refuses to start with, and its life from start to SIGTERM.
// What nss-systemd makes of it is in test/host/userdb.test.ts.
import { expect, test } from 'bun:test'
import { refusal } from '../../host/namespace.ts'

const isRefused = refusal()
if (isRefused !== undefined) console.error(`tests of ob serve are skipped: ${isRefused}`)

function served(what: string): Record<string, unknown> {
  const script = 'mount -t tmpfs -o mode=0755 none /run && exec "$0" "$@"'
  const program = [process.execPath, `${import.meta.dir}/served.ts`, what]
  const ran = Bun.spawnSync(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, ...program], {
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  if (ran.exitCode !== 0) throw new Error(`ended with ${ran.exitCode}: ${ran.stderr.toString()}`)
  return JSON.parse(ran.stdout.toString())
}

const inOwnRun = (name: string, work: () => void) => (isRefused === undefined ? test : test.skip)(name, work, 120_000)

inOwnRun('it starts neither for others than root, nor with arguments, nor with nothing to serve', () => {
  expect(served('refusals')).toEqual({
    arguments: 'usage: serve takes no arguments',
    user: 'serve must be started by root | undefined',
    // With nothing to serve it ends as a service that was ready: systemd does not start it again and again.
    nothing:
      'usage: there is nothing to serve: set serve_userdb, serve_logins or serve_hops, or name unlock in service_map; ' +
      'or: systemctl disable --now ob-serve',
    sockets: [],
  })
})

inOwnRun('it answers, reads its configuration again when told to, and leaves nothing behind', () => {
  const life = served('life')
  const alice = expect.stringMatching(/"userName":"alice".*"uid":20001/)
  expect(life).toMatchObject({
    alice,
    nobody: expect.stringContaining('NoRecordFound'),
    garbage: '',
    second: expect.stringMatching(/^ob serve runs already/),
  })
  // A configuration that is no good changes nothing.
  expect(life['broken']).toEqual([expect.stringMatching(/^err the configuration was not read again: /)])
  expect(life).toMatchObject({ unlockBefore: false, stillAlice: alice, recorded: true })
  expect(life['mended']).toEqual([expect.stringMatching(/^info ob serve listens at .*open-bastion\/unlock/)])
  expect(life).toMatchObject({ unlockAfter: true, aliceAgain: alice })
  expect(life).toMatchObject({ outcome: 'allowed done', left: [], recordedAfter: false })
})
