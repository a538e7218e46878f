// An ssh-agent for one hop: it holds the key that ob proxy made, in memory alone, and ends with the connection's
// program, with its certificate, or soon after it was used. ob proxy starts it and becomes ssh.
import { chmodSync, rmSync } from 'node:fs'
import { concat, decodeBase64, decodeUtf8, equalBytes } from '../../src/base/bytes.ts'
import { parseJsonObject, textMember, wholeMember } from '../../src/base/json.ts'
import { allowed } from '../../src/base/outcome.ts'
import {
  agentFailure,
  formatIdentities,
  formatSigned,
  parseAgentRequest,
  splitAgentMessages,
} from '../../src/bastion/agent-format.ts'
import { type HopKey, openHopKey } from '../../src/bastion/carrier.ts'
import { ended, type Mode, usage } from '../run/mode.ts'
import { peerProcesses } from '../world/process/peer.ts'

/** What ob proxy hands over on standard input. */
type Order = {
  readonly seed: Uint8Array
  readonly certificate: Uint8Array
  readonly directory: string
  readonly expiresAt: number
}

function parseOrder(text: string): Order | undefined {
  const object = parseJsonObject(text)
  if (!object) return undefined
  const [seed, certificate] = ['seed', 'certificate'].map((name) => decodeBase64(textMember(object, name) ?? '!'))
  const directory = textMember(object, 'directory')
  const expiresAt = wholeMember(object, 'expiresAt')
  if (!seed || !certificate || directory === undefined || expiresAt === undefined) return undefined
  return { seed, certificate, directory, expiresAt }
}

/** ssh may try a second method or host key before it is let in. Seconds. */
const secondsAfterUse = 20

export const mode: Mode = {
  run: async (args, world) => {
    const order = args.length === 0 ? parseOrder(decodeUtf8(world.stdin(64 << 10)) ?? '') : undefined
    if (!order) return usage('hop-agent is what ob proxy runs')
    const parent = peerProcesses.parent(process.pid)
    let endsAt = order.expiresAt
    const key = await openHopKey(order.seed)
    order.seed.fill(0)
    const used = (): void => {
      endsAt = Math.min(endsAt, world.now() + secondsAfterUse)
    }
    const path = `${order.directory}/agent`
    const server = listen(path, { key, certificate: order.certificate, used })
    chmodSync(path, 0o600)
    world.stdout('ready\n')
    // Its own parent is gone when the program that ob proxy became has ended.
    while (world.now() < endsAt && peerProcesses.parent(process.pid) === parent) await world.sleep(0.25)
    server.stop(true)
    rmSync(order.directory, { recursive: true, force: true })
    return ended(allowed('done'))
  },
}

type Identity = { readonly key: HopKey; readonly certificate: Uint8Array; readonly used: () => void }

function listen(path: string, identity: Identity) {
  return Bun.listen<{ received: Uint8Array<ArrayBuffer> }>({
    unix: path,
    socket: {
      open: (socket) => {
        socket.data = { received: new Uint8Array() }
      },
      data: async (socket, bytes) => {
        const split = splitAgentMessages(concat(socket.data.received, bytes))
        if (!split) return void socket.terminate()
        socket.data.received = Uint8Array.from(split.rest)
        for (const message of split.messages) socket.write(await answer(message, identity))
      },
    },
  })
}

async function answer(message: Uint8Array, { key, certificate, used }: Identity): Promise<Uint8Array> {
  const request = parseAgentRequest(message)
  switch (request.kind) {
    case 'identities':
      return formatIdentities(certificate, 'hop')
    case 'sign': {
      const isOurs = equalBytes(request.key, certificate) || equalBytes(request.key, key.blob)
      if (!isOurs) return agentFailure
      used()
      return formatSigned(await key.sign(request.data))
    }
    case 'other':
      return agentFailure
  }
}
