// What ob doctor says about the keys of what is cached for when the portal is unreachable: without them nothing opens.
import { bad, type Finding, good } from '../base/finding.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { authSalt } from '../offline/grants.ts'
import { authCacheSuffix } from '../offline/grants-format.ts'
import { passwordSuffix } from '../offline/password-format.ts'
import { passwordSalt } from '../offline/passwords.ts'
import { tokenSalt } from '../offline/tokens.ts'
import { tokenCacheSuffix } from '../offline/tokens-format.ts'
import { readKeyFile } from '../secrets/derived-keys.ts'

export function judgeCached(world: Parts<'files'>, config: Config): readonly Finding[] {
  const places = [
    { directory: config.auth_cache_dir, salt: authSalt, suffix: authCacheSuffix },
    { directory: config.offline_cache_dir, salt: passwordSalt, suffix: passwordSuffix },
    { directory: config.cache_dir, salt: tokenSalt, suffix: tokenCacheSuffix },
  ]
  const lost = places.flatMap(({ directory, salt, suffix }) => {
    const entries = (world.files.list(directory) ?? []).filter((name) => name.endsWith(suffix)).length
    if (entries === 0 || world.files.stat(`${directory}/${salt}`)) return []
    const message = `${directory}/${salt} is gone, so the ${entries} entries beside it do not open`
    const remedy = 'restore it from a backup, or run: ob cache invalidate-all --yes'
    return [{ ...bad(message, remedy), lets: 'nobody gets in by them while the portal is away' }]
  })
  const findings = [...lost, ...judgeKeyFile(world, config.offline_cache_key_file)]
  return findings.length > 0 ? findings : [good('the keys of what is cached are there')]
}

function judgeKeyFile(world: Parts<'files'>, path: string): readonly Finding[] {
  readKeyFile(world, path, { secret: false })
  const facts = world.files.stat(path)
  if (!facts || (facts.mode & 0o077) === 0) return []
  const mode = (facts.mode & 0o7777).toString(8).padStart(4, '0')
  const finding = bad(`${path} seals what is cached, and others can read it (mode ${mode})`, `chmod 600 ${path}`)
  return [{ ...finding, lets: 'whoever gets a copy of the cached passwords can try guesses against them' }]
}
