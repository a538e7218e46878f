// What /proc says about who is at the other end, asked about this process.
import { expect, test } from 'bun:test'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdtempSync, readlinkSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerProcesses } from '../../../../modes/world/process/peer.ts'

/** The source of a process whose only connection comes from this address, through a socket for IPv4 and IPv6 alike. */
async function sourceOf(address: string): Promise<string> {
  const server: Server = createServer()
  server.listen({ host: '::', port: 0, ipv6Only: false })
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const connected = once(server, 'connection')
  const client = Bun.spawn(
    [
      process.execPath,
      '-e',
      `require('node:net').connect({ host: '127.0.0.1', port: ${port}, localAddress: '${address}' })`,
    ],
    { stdout: 'ignore', stderr: 'ignore' },
  )
  const [socket] = (await connected) as [Socket]
  const source = peerProcesses.source(process.pid)
  socket.destroy()
  server.close()
  client.kill()
  await client.exited
  return source
}

test('two IPv4 addresses are two sources, also behind a socket that takes IPv6 too', async () => {
  const sources = [await sourceOf('127.0.0.1'), await sourceOf('127.0.0.2')]
  expect(sources).not.toContain('unknown')
  expect(new Set(sources).size).toBe(2)
})

/** Whether a program of this name, started by a shell of that name, is taken for sshd. */
async function isTakenForSshd(program: string, shell: string, mode = 0o755): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'ob-peer-'))
  try {
    copyFileSync('/bin/sleep', join(folder, program))
    copyFileSync('/bin/dash', join(folder, shell))
    chmodSync(join(folder, program), mode)
    const script = `${join(folder, program)} 30 & echo $!; wait`
    const parent = Bun.spawn([join(folder, shell), '-c', script], { stdout: 'pipe', stderr: 'ignore' })
    const reader = parent.stdout.getReader()
    const pid = Number(new TextDecoder().decode((await reader.read()).value))
    // Until the shell's child has become the program.
    while (!readlinkSync(`/proc/${pid}/exe`).endsWith(`/${program}`)) await Bun.sleep(1)
    const taken = peerProcesses.isSshd(pid)
    process.kill(pid)
    await parent.exited
    return taken
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test.skipIf(process.getuid?.() !== 0).each([
  ['unix_chkpwd', 'sshd', true],
  ['unix_chkpwd', 'sshd-session', true],
  ['unix_chkpwd', 'sh', false],
  ['unix_chkpwd', 'login', false],
  ['getent', 'sshd', false],
  ['sshd-auth', 'sh', true],
])('%s started by %s is sshd: %p', async (program, shell, taken) => {
  expect(await isTakenForSshd(program, shell)).toBe(taken)
})

test('a program that others may write is nobody’s', async () => {
  expect(await isTakenForSshd('unix_chkpwd', 'sshd', 0o777)).toBe(false)
})
