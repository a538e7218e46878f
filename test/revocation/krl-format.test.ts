import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatEmptyList, parseRevocationList } from '../../src/revocation/krl-format.ts'
import { mutations } from '../fakes/mutate.ts'
import { formatRevocations } from '../portal/authority.ts'

/** Runs ssh-keygen in a folder of its own. */
function keygen(file: Uint8Array | undefined, args: readonly string[]): { code: number; list: Uint8Array | undefined } {
  const folder = mkdtempSync(join(tmpdir(), 'ob-krl-'))
  try {
    if (file) writeFileSync(join(folder, 'list'), file)
    writeFileSync(join(folder, 'serials'), 'serial: 7\nserial: 9000000000000000001\n')
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' }
    const made = Bun.spawnSync(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', 'ca'], { cwd: folder, env })
    expect(made.exitCode).toBe(0)
    const { exitCode } = Bun.spawnSync(['ssh-keygen', ...args], { cwd: folder, env })
    return { code: exitCode, list: args[0] === '-k' ? new Uint8Array(readFileSync(join(folder, 'list'))) : undefined }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('ssh-keygen takes the empty list, which an empty file is not', () => {
  const empty = formatEmptyList('made here')
  expect(keygen(empty, ['-Q', '-l', '-f', 'list']).code).toBe(0)
  expect(keygen(new Uint8Array(), ['-Q', '-l', '-f', 'list']).code).not.toBe(0)
  expect(parseRevocationList(empty)).toEqual({ version: 0n, generatedAt: 0, comment: 'made here', sections: 0 })
  expect(parseRevocationList(new Uint8Array())).toHaveProperty('problem')
})

test('lists of ssh-keygen and of the portal are read', () => {
  const { list } = keygen(undefined, ['-k', '-z', '12', '-s', 'ca.pub', '-f', 'list', 'serials'])
  const read = parseRevocationList(list!)
  expect(read).toMatchObject({ version: 12n, sections: 1 })
  expect(parseRevocationList(formatRevocations([7n], 1_800_000_000))).toMatchObject({
    generatedAt: 1_800_000_000,
    sections: 1,
  })
})

test('a list that is cut anywhere is not whole', () => {
  const whole = formatRevocations([7n, 8n], 1_800_000_000)
  const header = formatEmptyList().length
  for (let length = 0; length < whole.length; length++) {
    const read = parseRevocationList(whole.subarray(0, length))
    // At the end of the header it is a list: an empty one, which never takes the place of one that is not.
    if (length === header) expect(read).toMatchObject({ sections: 0 })
    else expect(read).toHaveProperty('problem')
  }
})

test('no input makes the parser do anything but answer', () => {
  for (const bytes of mutations([formatRevocations([7n], 1), formatEmptyList()]))
    expect(typeof parseRevocationList(bytes)).toBe('object')
})
