// The files of both packages as one archive, for systems that have neither dpkg nor rpm: unpack it at /, as root.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Making } from './package.ts'
import type { Package } from './packages.ts'
import { layOut } from './tree.ts'

export async function buildTarball(
  packages: readonly Package[],
  { directory, version, time }: Making,
): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), 'ob-archive-'))
  try {
    const tree = await layOut(
      packages.flatMap(({ files }) => files),
      work,
      time,
    )
    tree.close()
    const file = join(directory, `ob-${version}-linux-${process.arch}.tar.gz`)
    const fixed = [
      '--sort=name',
      '--owner=root:0',
      '--group=root:0',
      '--numeric-owner',
      '--format=gnu',
      '-C',
      work,
      '.',
    ]
    const made = Bun.spawnSync(
      ['sh', '-c', 'file=$1; shift; tar -c "$@" | gzip -n -6 > "$file"', 'sh', file, ...fixed],
      {
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      },
    )
    if (made.exitCode !== 0) throw new Error(`tar: ${made.stderr.toString()}`)
    return file
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
