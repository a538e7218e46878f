// Which configuration `ob serve` runs with. It lives for months, so other processes look whether it is the present one.
import * as v from 'valibot'
import { decodeUtf8, hex, sha256 } from '../base/bytes.ts'
import { bad, type Finding } from '../base/finding.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { configPath } from '../config/load.ts'

const record = () => v.object({ pid: v.number(), config: v.string() })

/** The configuration as it is on the disk. */
export function configStamp(world: Parts<'files'>): string {
  const bytes = world.files.readTrusted(configPath, { limit: 1 << 20, secret: true })
  return hex(sha256(bytes ?? new Uint8Array()))
}

export const noteServedConfig = (world: Parts<'files'>, pid: number, config: string): void =>
  world.files.writeAtomic(paths.served, `${JSON.stringify({ pid, config })}\n`, { mode: 0o644 })

/** Nothing where no `ob serve` runs: that is for others to say. */
export function judgeServedConfig(world: Parts<'files'>): readonly Finding[] {
  const bytes = world.files.readTrusted(paths.served, { limit: 4096, secret: false })
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), record()), bytes ? decodeUtf8(bytes) : '')
  if (!read.success || !world.files.stat(`/proc/${read.output.pid}`)) return []
  if (read.output.config === configStamp(world)) return []
  return [bad('ob serve runs with an older configuration than the file holds', 'systemctl reload ob-serve')]
}
