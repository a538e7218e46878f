// The AuthorizedKeysCommand that was configured before ours: sshd runs only one, so ours runs the other and reads its
// output. The program must meet the demands of sshd (sshd_config(5), AuthorizedKeysCommand).

import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import { dirname } from '../base/text.ts'
import type { ReadOnlyWorld } from '../base/world.ts'
import { expandTokens, parseCommandLine, type Tokens } from './command-line-format.ts'

const seconds = 3
const outputLimit = 1 << 20

/** The output of the other command for this user; empty when it fails, hangs or prints too much. */
export async function runChain(world: ReadOnlyWorld, values: Tokens): Promise<string | undefined> {
  const bytes = world.files.readTrusted(paths.authorizedKeysChain, { limit: 4096, secret: false })
  if (!bytes) return undefined
  const line = parseCommandLine(decodeUtf8(bytes) ?? '\0')
  if ('problem' in line)
    throw new Fault(`${paths.authorizedKeysChain}: ${line.problem}`, {
      hint: 'write one line like: /usr/bin/userdbctl ssh-authorized-keys %u',
    })
  refuseUnsafe(world, line[0])
  const ran = await world.spawn(expandTokens(line, values), { signal: world.timeout(seconds), limit: outputLimit })
  if (ran.code === 0) return ran.stdout
  throw new Fault(`${line[0]} ended with ${ran.code}, so its keys do not count`, {
    hint: `it has ${seconds} s and must exit 0, also when it knows no keys`,
  })
}

function refuseUnsafe(world: ReadOnlyWorld, program: string): void {
  const facts = world.files.stat(program)
  if (facts?.kind !== 'file' || (facts.mode & 0o111) === 0)
    throw new Fault(`${program} is no program`, {
      hint: `name the file itself, not a link to it, in ${paths.authorizedKeysChain}`,
    })
  for (let path = program; ; path = dirname(path)) {
    const one = world.files.stat(path)
    if (one && (one.kind === 'symlink' || one.uid !== 0 || (one.mode & 0o022) !== 0))
      throw new Fault(`${path} is a link, or belongs to or can be written by others than root`, {
        hint: `let ${paths.authorizedKeysChain} name a program that only root can change, by its real path`,
      })
    if (path === '/') return
  }
}
