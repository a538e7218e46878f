// Makes a challenge: its text for the person, and the record that its answer is compared with.
import type { LoginName } from '../base/names.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { codeBytes, formatChallenge, formatCode, hashOfCode, withoutChecksum } from './challenge-format.ts'
import type { Engine } from './engine.ts'
import { decoyKeys, type KeyFile, usableKeys } from './key-store.ts'
import type { Pending } from './pending-format.ts'

export type Login = {
  readonly user: LoginName | undefined
  /** As PAM says it, whatever it looks like. */
  readonly name: string
  readonly service: string
  readonly from: string | undefined
  readonly connection: string
  readonly reference: string
  readonly breakGlass: boolean
}

type Needs = Parts<'files' | 'now' | 'random' | 'hostname'>

export type Made = { readonly armored: string; readonly pending: Pending }

export type Recipient = {
  readonly file: KeyFile | undefined
  readonly permitted: boolean
  /** Why a file of the user's own does not count. */
  readonly note?: string
}

/** Nobody's keys are as good as somebody's here: the challenge looks the same, and nobody can read it. */
export async function makeChallenge(
  world: Needs & { readonly engine: Engine; readonly uptime: number },
  config: Pick<Config, 'gpg_timeout'> & { readonly signer: string | undefined },
  { login, recipient }: { readonly login: Login; readonly recipient: Recipient },
): Promise<Made> {
  const { engine } = world
  const now = world.now()
  const own = recipient.file && recipient.permitted ? await usableKeys(engine, recipient.file.bytes, now) : []
  const isReadable = own.length > 0
  const code = formatCode(world.random(codeBytes))
  const { name: user, from, service, reference, connection, breakGlass } = login
  const expires = Math.floor(now) + config.gpg_timeout
  const armored = await engine.seal({
    text: formatChallenge({ host: world.hostname(), user, from, service, reference, expires, code }),
    recipients: isReadable ? own : await decoyKeys(world, engine, user),
    signer: config.signer,
    now,
    decoy: !isReadable,
  })
  const pending: Pending = {
    user,
    service,
    connection,
    codeHash: hashOfCode(code),
    ...(isReadable && recipient.file ? { keysHash: recipient.file.hash } : {}),
    permitted: recipient.permitted,
    expiresAt: world.uptime + config.gpg_timeout,
    breakGlass,
  }
  return { armored: withoutChecksum(armored), pending }
}
