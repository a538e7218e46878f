// The real kernel keyring, where this machine lets us have one.
import { afterAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { keyring } from '../../../../modes/world/process/keyring.ts'

const description = `ob-test:${crypto.randomUUID()}`
const payload = Uint8Array.from({ length: 48 }, (_, at) => at)
const usable = process.getuid?.() === 0 && keyring.keep(description, payload, 60)
if (!usable) console.error('keyring tests are skipped: not root, or the kernel keeps no keys for us')
const keyring_test = usable ? test : test.skip

afterAll(() => keyring.forget(description))

// proc_keys(5): serial flags usage timeout permissions uid gid type description
const listed = () =>
  readFileSync('/proc/keys', 'utf8')
    .split('\n')
    .filter((line) => line.includes(description))

keyring_test('what was kept is found, and replaced by what is kept next', () => {
  expect(keyring.find(description)).toEqual(payload)
  expect(keyring.keep(description, payload.toReversed(), 60)).toBe(true)
  expect(keyring.find(description)).toEqual(payload.toReversed())
  expect(keyring.find(`${description}x`)).toBeUndefined()
})

keyring_test('the key is the possessor’s alone and has an end', () => {
  const [line] = listed()
  expect(line).toMatch(/^\S+ \S+ +\d+ +\d+[sm] 3f000000 +0 +\d+ user /)
})

// systemd gives services such a session keyring (KeyringMode=private in systemd.exec(5)), and sshd's children inherit
// it.
keyring_test('a process of root with a session keyring of its own finds it, another user does not', () => {
  const joinSession = process.arch === 'arm64' ? [219, 1] : [250, 1]
  const program = `
    const { dlopen } = await import('bun:ffi')
    const { syscall } = dlopen('libc.so.6', { syscall: { args: ['i64', 'i64', 'i64'], returns: 'i64' } }).symbols
    if (syscall(${joinSession}, 0) < 0) process.exit(2)
    const { keyring } = await import('${import.meta.dir}/../../../../modes/world/process/keyring.ts')
    process.exit(keyring.find('${description}') === undefined ? 1 : 0)`
  const run = (...prefix: string[]) =>
    Bun.spawnSync([...prefix, process.execPath, '-e', program], { env: {}, cwd: '/' }).exitCode
  expect(run('env')).toBe(0)
  expect(run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups')).toBe(1)
})

keyring_test('a forgotten key is gone', () => {
  keyring.forget(description)
  expect(keyring.find(description)).toBeUndefined()
})
