// Seeded mutations of good input: the same ones on every run, more of them with FUZZ=1000000.
import { Fault } from '../../src/base/fault.ts'

const { FUZZ = '2000' } = process.env
const rounds = Number(FUZZ)

/** mulberry32: small, seeded, good enough to choose what to break. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const salt = [0, 1, 0x0a, 0x0d, 0x22, 0x23, 0x2c, 0x3a, 0x5c, 0x7b, 0x7f, 0x80, 0xc2, 0xff]

function mutateOnce(bytes: Uint8Array, next: (below: number) => number): Uint8Array<ArrayBuffer> {
  const list = [...bytes]
  const at = next(list.length + 1)
  const length = next(9)
  const kinds = [
    () => list.splice(at, 1, next(256)),
    () => list.splice(at, length),
    () => list.splice(at, 0, salt[next(salt.length)]!),
    () => list.splice(at, 0, ...list.slice(at, at + length)),
    () => list.splice(at),
    () => list.splice(at, 4, 0xff, 0xff, 0xff, next(256)),
  ]
  kinds[next(kinds.length)]!()
  return Uint8Array.from(list)
}

export function* mutations(samples: readonly Uint8Array[]): Generator<Uint8Array<ArrayBuffer>> {
  const next = numbers(20260722)
  for (let round = 0; round < rounds; round++) {
    let bytes = Uint8Array.from(samples[next(samples.length)]!)
    for (let times = 1 + next(3); times > 0; times--) bytes = mutateOnce(bytes, next)
    yield bytes
  }
}

/**
 * Runs the parser on mutations of the samples; anything thrown but a Fault is the test's failure. Returns how many it
 * survived.
 */
export function fuzzText(samples: readonly string[], parse: (text: string) => unknown): number {
  const encoder = new TextEncoder()
  let survived = 0
  for (const bytes of mutations(samples.map((sample) => encoder.encode(sample)))) {
    try {
      parse(new TextDecoder().decode(bytes))
    } catch (error) {
      if (!(error instanceof Fault)) throw error
    }
    survived++
  }
  return survived
}
