// Files of the C implementation's secret store, for `ob secret import`. Their names are hashes, and nothing inside
// says which secret they are: a renamed file opens as another secret there, so the caller must know the name.

import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import { Secret } from '../base/secret.ts'
import { dirname } from '../base/text.ts'
import type { Parts } from '../base/world.ts'
import { readMachineId } from './derived-keys.ts'
import { deriveKey, saltLength } from './kdf.ts'
import { open } from './sealed-format.ts'
import { upstreamFileName } from './store-format.ts'

const likely = ['client_secret', 'request_signing_secret', 'notify_secret', 'refresh_token', 'crowdsec_bouncer_key']

/** The secrets in these files by their names; `as` is the name when there is only one file. */
export async function openUpstreamSecrets(
  world: Parts<'files'>,
  files: readonly string[],
  as: string | undefined,
): Promise<ReadonlyMap<string, Secret>> {
  const machineId = readMachineId(world)
  if (machineId === undefined) throw new Fault(`${paths.machineId} is missing or empty`)
  const opened = new Map<string, Secret>()
  for (const path of files) {
    const name = as ?? likely.find((one) => path.endsWith(`/${upstreamFileName(one)}`))
    if (name === undefined)
      throw new Fault(`${path} does not say which secret it holds; nothing was changed`, {
        hint: 'import it alone, with --as NAME',
      })
    if (opened.has(name)) throw new Fault(`two of the files are ${name}; nothing was changed`)
    opened.set(name, await openFile(world, path, machineId))
  }
  return opened
}

async function openFile(world: Parts<'files'>, path: string, machineId: string): Promise<Secret> {
  if (!path.startsWith('/')) throw new Fault(`${path} is not an absolute path; nothing was changed`)
  const saltFile = `${dirname(path)}/.salt`
  const sealed = world.files.readTrusted(path, { limit: 1 << 20, secret: true })
  if (!sealed) throw new Fault(`${path} does not exist; nothing was changed`)
  const salt = world.files.readTrusted(saltFile, { limit: 4096, secret: true })
  if (salt?.length !== saltLength)
    throw new Fault(`${saltFile} is missing or not ${saltLength} bytes long; nothing was changed`, {
      hint: 'copy the whole directory, its .salt included',
    })
  const key = await deriveKey({ machineId, salt })
  const plaintext = await open(key, sealed)
  key.fill(0)
  if (!plaintext)
    throw new Fault(`${path} does not open: it was damaged, or sealed on another host; nothing was changed`)
  const text = decodeUtf8(plaintext)
  plaintext.fill(0)
  if (text === undefined || /[\0\r\n]/.test(text) || text === '')
    throw new Fault(`${path} holds no single line of text; nothing was changed`)
  return new Secret(text)
}
