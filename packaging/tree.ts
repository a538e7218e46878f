// Lays a package out as a directory: one time, one owner, one order, so that the same sources give the same bytes.
import { createHash } from 'node:crypto'
import { chmodSync, lutimesSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Entry } from './packages.ts'

const root = resolve(import.meta.dir, '..')

const withoutHistory = 1_000_000_000

/** The time of every file: that of the last commit, or what SOURCE_DATE_EPOCH says. Epoch seconds. */
export function sourceDate(): number {
  const given = Number(process.env['SOURCE_DATE_EPOCH'])
  if (Number.isInteger(given) && given > 0) return given
  if (Bun.which('git') === null) return withoutHistory
  const git = Bun.spawnSync(['git', '-C', root, 'log', '-1', '--format=%ct'])
  const committed = Number(git.stdout.toString().trim())
  return Number.isInteger(committed) && committed > 0 ? committed : withoutHistory
}

async function contentOf({ from, text, gzip }: Entry): Promise<Uint8Array> {
  const plain = text ? new TextEncoder().encode(await text()) : readFileSync(join(root, from ?? ''))
  // Without a name and a time in its header.
  return gzip ? gzipSync(plain, { level: 9 }) : plain
}

export type Tree = {
  readonly directory: string
  /** Paths without the first slash, in order. */
  readonly paths: readonly string[]
  /** As md5sum(1) prints them, for dpkg. */
  readonly sums: readonly string[]
  readonly bytes: number
  readonly put: (path: string, content: Uint8Array | string, mode: number) => void
  /** Gives directories their time; nothing may be put afterwards. */
  readonly close: () => void
}

export async function layOut(entries: readonly Entry[], directory: string, time: number): Promise<Tree> {
  const folders = new Set<string>()
  const place = (path: string): string => {
    const target = join(directory, path)
    mkdirSync(dirname(target), { recursive: true })
    for (let folder = dirname(target); folder.startsWith(directory); folder = dirname(folder)) folders.add(folder)
    return target
  }
  const put = (path: string, content: Uint8Array | string, mode: number): void => {
    const target = place(path)
    writeFileSync(target, content)
    chmodSync(target, mode)
    utimesSync(target, time, time)
  }
  const sums: string[] = []
  let bytes = 0
  const sorted = [...entries].sort((a, b) => (a.to < b.to ? -1 : 1))
  for (const entry of sorted) {
    if (entry.link !== undefined) {
      const target = place(entry.to)
      symlinkSync(entry.link, target)
      lutimesSync(target, time, time)
      continue
    }
    const content = await contentOf(entry)
    put(entry.to, content, entry.mode)
    sums.push(`${createHash('md5').update(content).digest('hex')}  ${entry.to}`)
    bytes += content.length
  }
  const close = (): void => {
    for (const folder of folders) {
      chmodSync(folder, 0o755)
      utimesSync(folder, time, time)
    }
  }
  return { directory, paths: sorted.map(({ to }) => to), sums, bytes, put, close }
}
