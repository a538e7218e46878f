// What ob doctor says about secrets: which are sealed and open, and which stand somewhere in plain text.

import { Fault } from '../base/fault.ts'
import type { Finding } from '../base/finding.ts'
import { paths } from '../base/paths.ts'
import { Secret, sealedName } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { configPath } from '../config/load.ts'
import { readTokenFile } from '../portal-client/token-file.ts'
import { isStore, refreshTokenName } from '../secrets/resolve.ts'
import { openSecretStore } from '../secrets/store.ts'

export async function judgeSecrets(
  world: Parts<'random' | 'files' | 'keyring'>,
  config: Config,
): Promise<readonly Finding[]> {
  const written = Object.entries(config).flatMap(([key, value]) => (value instanceof Secret ? [{ key, value }] : []))
  const plain = written.filter(({ value }) => sealedName(value) === undefined)
  const findings: Finding[] = plain.map(({ key }) => ({
    verdict: 'note',
    message: `${key} stands in plain text in ${configPath}; ob secret set ${key} seals it, then remove the line`,
  }))
  const asked = written.flatMap(({ key, value }) => {
    const name = sealedName(value)
    return name === undefined ? [] : [{ name, by: `${key} in ${configPath}` }]
  })
  const refresh = readTokenFile(world, config.server_token_file).refreshToken
  const refreshName = refresh && sealedName(refresh)
  if (refreshName) asked.push({ name: refreshName, by: config.server_token_file })
  else if (refresh && config.secrets_encrypted)
    findings.push({
      verdict: 'note',
      message: `the refresh token stands in plain text in ${config.server_token_file}; ob secret rotate seals it`,
    })
  return [...findings, ...(await judgeStore(world, config, asked))]
}

type Asked = { readonly name: string; readonly by: string }

async function judgeStore(
  world: Parts<'random' | 'files' | 'keyring'>,
  config: Config,
  asked: readonly Asked[],
): Promise<readonly Finding[]> {
  const vault = openSecretStore(world, config)
  const names = vault.names().map(({ name }) => name)
  const findings: Finding[] = asked
    .filter(({ name }) => !names.includes(name))
    .map(({ name, by }) => ({
      verdict: 'bad',
      message: `${by} asks for sealed:${name}, which does not exist`,
      remedy: name === refreshTokenName ? 'ob enroll --force' : `ob secret set ${name}`,
    }))
  const facts = world.files.stat(paths.secrets)
  if (isStore(world) && facts && (facts.mode & 0o077) !== 0)
    findings.push({
      verdict: 'bad',
      message: `${paths.secrets} can be entered by others`,
      remedy: `chmod 700 ${paths.secrets}`,
    })
  for (const name of names)
    try {
      await vault.read(name)
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      findings.push({ verdict: 'bad', message: error.message, remedy: error.hint ?? `ob secret set ${name}` })
    }
  if (findings.length > 0) return findings
  return [
    { verdict: 'good', message: names.length === 0 ? 'no secret is sealed' : `${names.length} sealed secrets open` },
  ]
}
