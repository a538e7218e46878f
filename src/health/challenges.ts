// What ob doctor says about OpenPGP challenges: where they are less than they look.
import { bad, type Finding } from '../base/finding.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Config } from '../config/load.ts'

type Settings = Pick<Config, 'gpg_web' | 'gpg_user_files' | 'gpg_signing_key'>

export async function judgeChallenges(world: Parts<'files' | 'spawn'>, config: Settings): Promise<readonly Finding[]> {
  const found: Finding[] = []
  if (config.gpg_web.endsWith('NoTls'))
    found.push({
      ...bad(`gpg_web = ${config.gpg_web} is insecure: the page has no TLS`, 'write gpg_web = webQrAuthTls'),
      lets: 'everybody on the way read the challenge, and show the person another one',
    })
  if (config.gpg_web !== 'off' && (await world.spawn(['getent', 'passwd', 'ob-gpg'])).code !== 0)
    found.push(
      bad(
        'there is no user ob-gpg, so gpg_web shows no page',
        'install packaging/sysusers.d and run: systemd-sysusers',
      ),
    )
  if (config.gpg_user_files)
    found.push({
      ...bad('gpg_user_files is on', 'ob gpg import USER for each; then remove gpg_user_files'),
      lets: 'whoever runs a program as a user once put a key of their own into that home, and log in with it',
    })
  const signer = config.gpg_signing_key
  if (signer !== undefined && world.files.stat(signer) === undefined)
    found.push(bad(`gpg_signing_key ${signer} does not exist, so no challenge is shown`, 'ob gpg signing-key'))
  const folder = world.files.stat(paths.gpgKeys)
  if (folder && (folder.uid !== 0 || (folder.mode & 0o022) !== 0))
    found.push(
      bad(
        `${paths.gpgKeys} is not root’s alone, so no key in it counts`,
        `chown root: ${paths.gpgKeys}; chmod go-w ${paths.gpgKeys}`,
      ),
    )
  return found
}
