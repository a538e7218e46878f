// Knocking at real sockets of this machine.
import { expect, test } from 'bun:test'
import { probeTcp } from '../../../../modes/world/io/network.ts'

const never = new AbortController().signal

test('somebody who listens takes the connection, and hears nothing', async () => {
  let heard = 0
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const socket = { data: () => void heard++, close: () => resolve() }
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket })
  expect(await probeTcp('127.0.0.1', listener.port, never)).toBeUndefined()
  await closed
  listener.stop(true)
  expect(heard).toBe(0)
  expect(await probeTcp('127.0.0.1', listener.port, never)).toBe('ECONNREFUSED')
})

test('knocking ends with its time', async () => {
  expect(await probeTcp('127.0.0.1', 1, AbortSignal.abort())).toBe('ETIMEDOUT')
})
