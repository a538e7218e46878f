// Builds everything that is given to others: `bun packaging/package.ts [DIRECTORY] [--version VERSION] [--quick] [--only
// deb|rpm|tar]`. The same sources give the same bytes. A test that upgrades wants another version, made quickly.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import about from '../package.json' with { type: 'json' }
import { completions } from './completions.ts'
import { buildDeb } from './deb/build.ts'
import { type Entry, host, type Package, portal } from './packages.ts'
import { buildRpm } from './rpm/build.ts'
import { softwareList } from './software-list.ts'
import { buildTarball } from './tarball.ts'
import { sourceDate } from './tree.ts'

export type Making = {
  readonly directory: string
  readonly version: string
  /** Larger packages in less time. */
  readonly quick: boolean
  /** Of every file, epoch seconds. */
  readonly time: number
}

const root = resolve(import.meta.dir, '..')

/** The host package with the parts that are printed from the modes and from the lock file. */
async function complete(): Promise<Package> {
  const printed = await completions()
  const list = await softwareList(root)
  const files: readonly Entry[] = [
    ...host.files,
    ...printed.map(({ to, text }): Entry => ({ to, text: () => text, mode: 0o644 })),
    { to: 'usr/share/ob/sbom.json', text: () => list, mode: 0o644 },
  ]
  return { ...host, files }
}

async function build(kind: string, making: Making): Promise<readonly string[]> {
  const packages = [await complete(), portal]
  const files: string[] = []
  if (kind !== 'rpm' && kind !== 'tar') for (const one of packages) files.push(await buildDeb(one, making))
  if (kind === 'rpm' || (kind === '' && Bun.which('rpmbuild')))
    for (const one of packages) files.push(await buildRpm(one, making))
  if (kind === 'tar' || kind === '') files.push(await buildTarball(packages, making))
  return files
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: {
      version: { type: 'string', default: about.version },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
    },
    allowPositionals: true,
  })
  const directory = resolve(positionals[0] ?? join(root, 'dist/packages'))
  mkdirSync(directory, { recursive: true })
  const making = { directory, version: values.version, quick: values.quick, time: sourceDate() }
  const lines: string[] = []
  for (const file of await build(values.only, making)) {
    const digest = createHash('sha256').update(readFileSync(file)).digest('hex')
    lines.push(`${digest}  ${file.slice(directory.length + 1)}`)
    console.log(`${file} (${(statSync(file).size / 1e6).toFixed(1)} MB)`)
  }
  writeFileSync(join(directory, 'SHA256SUMS'), `${lines.join('\n')}\n`)
}
