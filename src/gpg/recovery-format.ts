// Recovery codes: how they are written on paper, and the file that holds their hashes.
import * as v from 'valibot'
import { parseCode } from './challenge-format.ts'

/** The number says which of the hashes it is, so that one is computed and not ten. */
export type RecoveryCode = { readonly number: number; readonly code: string }

export const howMany = 10

/** R7-XXXX-XXXX-XXXX-XXXX */
export const formatRecoveryCode = ({ number, code }: RecoveryCode): string => `R${number}-${code}`

export function parseRecoveryCode(text: string): RecoveryCode | undefined {
  const match = /^\s*R[\s-]*([0-9O])[\s-]*(.+)$/is.exec(text)
  const code = match === null ? undefined : parseCode(match[2]!)
  return code === undefined ? undefined : { number: Number(match![1]!.replace(/o/i, '0')), code }
}

export type RecoveryFile = {
  /** Epoch seconds. */
  readonly made: number
  /** Argon2id verifiers (PHC strings) of the codes that are not spent, by their number. */
  readonly left: Readonly<Record<string, string>>
}

const shape = () =>
  v.strictObject({
    made: v.pipe(v.number(), v.finite()),
    left: v.record(v.pipe(v.string(), v.regex(/^[0-9]$/)), v.pipe(v.string(), v.maxLength(256))),
  })

export const formatRecoveryFile = (file: RecoveryFile): string => `${JSON.stringify(file)}\n`

export function parseRecoveryFile(text: string): RecoveryFile | undefined {
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), shape()), text)
  return read.success ? read.output : undefined
}
