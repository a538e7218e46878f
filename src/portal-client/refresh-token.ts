// Moves the refresh token to where secrets_encrypted says it shall be. Whatever is interrupted, one of the two places
// has it and the token file says which.

import { Fault } from '../base/fault.ts'
import { sealedAs, sealedName } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { refreshTokenName } from '../secrets/resolve.ts'
import type { SecretStore } from '../secrets/store.ts'
import { readTokenFile, withTokenLock, writeTokenFile } from './token-file.ts'

export type Refresh = 'sealed' | 'plain' | 'unchanged'

export async function settleRefreshToken(world: Parts<'files'>, config: Config, vault: SecretStore): Promise<Refresh> {
  const path = config.server_token_file
  if (world.files.stat(path) === undefined) return 'unchanged'
  return withTokenLock(world, async () => {
    const tokens = readTokenFile(world, path)
    const written = tokens.refreshToken
    const name = written && sealedName(written)
    if (!written || config.secrets_encrypted === (name !== undefined)) return 'unchanged'
    if (name === undefined) {
      await vault.write(refreshTokenName, written)
      writeTokenFile(world, path, { ...tokens, refreshToken: sealedAs(refreshTokenName) })
      return 'sealed'
    }
    const secret = await vault.read(name)
    if (!secret)
      throw new Fault(`${path} names sealed:${name}, which does not exist`, { hint: 'run: ob enroll --force' })
    writeTokenFile(world, path, { ...tokens, refreshToken: secret })
    await vault.remove(name)
    return 'plain'
  })
}
