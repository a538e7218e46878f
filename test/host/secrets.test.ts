// ob secret on a real disk and a real terminal: killed at any moment, and never shown.
import { expect } from 'bun:test'
import { configure } from './enrolled.ts'
import type { Lab } from './lab.ts'
import { environment } from './namespace.ts'
import { inLab } from './suite.ts'

let lab: Lab

const secrets: Readonly<Record<string, string>> = {
  client_secret: 'hunter2',
  notify_secret: 'x'.repeat(300),
  request_signing_secret: 'signing key',
}
const directory = '/var/lib/open-bastion/secrets'

const lab_test = inLab(
  { portal: false },
  async (started) => {
    lab = started
    await configure(lab, 'portal_url = https://auth.example.test\n')
    for (const [name, value] of Object.entries(secrets))
      expect((await lab.run(`/usr/sbin/ob secret set ${name}`, { stdin: `${value}\n` })).code).toBe(0)
  },
  120_000,
)

const values = async () => {
  const all: Record<string, string> = {}
  for (const name of Object.keys(secrets))
    all[name] = (await lab.need(`/usr/sbin/ob secret get ${name} --reveal`)).trimEnd()
  return all
}

lab_test('a rotation killed at any moment leaves every secret readable, and the next one tidies up', async () => {
  let [before, renewed] = [lab.text(`${directory}/.store`), 0]
  const { tookMs } = await lab.run('/usr/sbin/ob secret rotate')
  before = lab.text(`${directory}/.store`)
  for (let round = 0; round < 30; round++) {
    // From at once to after its end, however fast this machine is.
    const seconds = ((tookMs / 1000) * (round / 24)).toFixed(3)
    await lab.run(`/usr/sbin/ob secret rotate & pid=$!; sleep ${seconds}; kill -KILL $pid; wait`)
    const now = lab.text(`${directory}/.store`)
    if (now !== before) renewed++
    before = now
    expect(await values()).toEqual(secrets)
  }
  expect(renewed).toBeGreaterThan(0)
  expect(renewed).toBeLessThan(30)
  await lab.need('/usr/sbin/ob secret rotate')
  expect((await lab.need(`ls -A ${directory} | wc -l`)).trim()).toBe('5')
})

lab_test('what is typed at a terminal is not shown, and may be corrected or given up', async () => {
  const type = async (keys: string) => {
    let output = ''
    const child = Bun.spawn(lab.space.command(['/usr/sbin/ob', 'secret', 'set', 'typed']), {
      env: { ...environment({}), TERM: 'dumb' },
      timeout: 10_000,
      terminal: {
        columns: 80,
        rows: 24,
        data(terminal: Bun.Terminal, bytes: Uint8Array) {
          const asked = output.includes('not shown')
          output += new TextDecoder().decode(bytes)
          if (!asked && output.includes('(not shown): ')) terminal.write(keys)
        },
      } as Bun.TerminalOptions,
    })
    return { code: await child.exited, output }
  }
  const set = await type('wrong\u0015hunterX\u007f3\r')
  expect(set.code).toBe(0)
  expect(set.output).not.toContain('hunter')
  expect((await lab.need('/usr/sbin/ob secret get typed --reveal')).trim()).toBe('hunter3')
  const gone = await type('other\u0003')
  expect([gone.code, gone.output.includes('nothing was changed')]).toEqual([70, true])
  expect((await lab.need('/usr/sbin/ob secret get typed --reveal')).trim()).toBe('hunter3')
})

lab_test('the store is root’s alone, and a full disk leaves the old secret usable', async () => {
  expect((await lab.need(`stat -c '%a %U' ${directory} ${directory}/* /etc/open-bastion/cache.key`)).trim()).toMatch(
    /^700 root\n(600 root\n?)+$/,
  )
  await lab.need(`mkdir /run/small && mount -t tmpfs -o size=32k,mode=0700 small /run/small &&
    cp -a ${directory}/. /run/small/ && mount --bind /run/small ${directory} && ! cat /dev/zero > ${directory}/filler 2>/dev/null`)
  const { code, stderr } = await lab.run('/usr/sbin/ob secret set client_secret', { stdin: 'other' })
  expect([code, stderr]).toEqual([70, expect.stringContaining('there is no space left on this file system')])
  expect((await lab.run('/usr/sbin/ob secret rotate')).code).toBe(70)
  expect(await values()).toEqual(secrets)
  await lab.need(`umount ${directory}`)
})
