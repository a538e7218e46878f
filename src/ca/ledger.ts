// Serial numbers that never come twice, and the list of what was issued under them.
import { decodeUtf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import { formatLedgerLine, type LedgerEntry, parseLedger } from './ledger-format.ts'

export type Ledger = {
  /** Enters the certificate under a new serial; a Fault when it cannot be written, and then nothing may be signed. */
  readonly enter: (entry: Omit<LedgerEntry, 'serial'>) => Promise<bigint>
  readonly entries: () => readonly LedgerEntry[]
}

const serialFile = `${paths.ca}/serial`
const ledgerFile = `${paths.ca}/issued`
const lockFile = `${paths.ca}/lock`
const sizeLimit = 256 << 20

export function openLedger(world: Parts<'files' | 'now'>): Ledger {
  const last = (): bigint => {
    const bytes = world.files.readTrusted(serialFile, { limit: 64, secret: false })
    if (!bytes) return 0n
    const text = decodeUtf8(bytes)?.trim() ?? ''
    if (!/^[1-9]\d{0,19}$/.test(text))
      throw new Fault(`${serialFile} holds no number`, { hint: `write the highest serial of ${ledgerFile} into it` })
    return BigInt(text)
  }
  return {
    enter: (entry) => {
      world.files.makeDirectory(paths.state, 0o711)
      world.files.makeDirectory(paths.ca, 0o700)
      return world.files.withLock(lockFile, () => {
        // The clock makes the number new when the file is lost; the file makes it new when the clock is set back.
        const [next, clock] = [last() + 1n, BigInt(Math.floor(world.now() * 1000))]
        const serial = next > clock ? next : clock
        world.files.writeAtomic(serialFile, `${serial}\n`, { mode: 0o600 })
        world.files.append(ledgerFile, formatLedgerLine({ ...entry, serial }), 0o600)
        return serial
      })
    },
    entries: () => {
      const bytes = world.files.readTrusted(ledgerFile, { limit: sizeLimit, secret: true })
      return bytes ? parseLedger(decodeUtf8(bytes) ?? '') : []
    },
  }
}
