// Builds the packages: `bun packaging/deb/build.ts [DIRECTORY] [--version VERSION] [--quick]`. The same sources give the same
// bytes: files have one time, one owner and one order, and dpkg-deb compresses with fixed settings. A test that upgrades wants
// another version, and packages that are made quickly.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import about from '../../package.json' with { type: 'json' }
import { completions } from './completions.ts'
import { type Entry, host, type Package, portal } from './description.ts'
import { softwareList } from './software-list.ts'

const root = resolve(import.meta.dir, '../..')

/** The time of every file: that of the last commit, or what SOURCE_DATE_EPOCH says. Epoch seconds. */
function sourceDate(): number {
  const given = Number(process.env['SOURCE_DATE_EPOCH'])
  if (Number.isInteger(given) && given > 0) return given
  const git = Bun.spawnSync(['git', '-C', root, 'log', '-1', '--format=%ct'])
  const committed = Number(git.stdout.toString().trim())
  return Number.isInteger(committed) && committed > 0 ? committed : 1_000_000_000
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

async function contentOf({ from, text, gzip }: Entry): Promise<Uint8Array> {
  const plain = text ? new TextEncoder().encode(await text()) : readFileSync(join(root, from ?? ''))
  // Without a name and a time in its header.
  return gzip ? gzipSync(plain, { level: 9 }) : plain
}

type Printed = { readonly architecture: string; readonly version: string; readonly kilobytes: number }

type Making = { readonly directory: string; readonly version: string; readonly quick: boolean }

const control = (description: Package, { architecture, version, kilobytes }: Printed): string =>
  [
    `Package: ${description.name}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    'Maintainer: ob maintainers <maintainers@ob.invalid>',
    `Installed-Size: ${kilobytes}`,
    `Depends: ${description.depends.join(', ').replace('$version', version)}`,
    ...(description.recommends.length > 0 ? [`Recommends: ${description.recommends.join(', ')}`] : []),
    'Section: admin',
    'Priority: optional',
    `Description: ${description.summary}`,
    ...description.about.map((line) => ` ${line}`),
    '',
  ].join('\n')

/** Writes one package and returns its path. */
async function buildPackage(description: Package, { directory, version, quick }: Making): Promise<string> {
  const time = sourceDate()
  const architecture = description.architecture === 'all' ? 'all' : (architectures[process.arch] ?? process.arch)
  const tree = mkdtempSync(join(tmpdir(), 'ob-package-'))
  try {
    const sums: string[] = []
    const folders = new Set<string>()
    let bytes = 0
    const put = (path: string, content: Uint8Array | string, mode: number): void => {
      const target = join(tree, path)
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, content)
      chmodSync(target, mode)
      utimesSync(target, time, time)
      for (let folder = dirname(target); folder.startsWith(tree); folder = dirname(folder)) folders.add(folder)
    }
    const entries = [...description.files].sort((a, b) => (a.to < b.to ? -1 : 1))
    for (const entry of entries) {
      const content = await contentOf(entry)
      put(entry.to, content, entry.mode)
      sums.push(`${createHash('md5').update(content).digest('hex')}  ${entry.to}`)
      bytes += content.length
    }
    put('DEBIAN/control', control(description, { architecture, version, kilobytes: Math.ceil(bytes / 1024) }), 0o644)
    put('DEBIAN/md5sums', `${sums.join('\n')}\n`, 0o644)
    if (description.conffiles.length > 0) put('DEBIAN/conffiles', `${description.conffiles.join('\n')}\n`, 0o644)
    for (const [name, text] of Object.entries(description.scripts)) put(`DEBIAN/${name}`, text, 0o755)
    for (const folder of folders) {
      chmodSync(folder, 0o755)
      utimesSync(folder, time, time)
    }
    const file = join(directory, `${description.name}_${version}_${architecture}.deb`)
    const made = Bun.spawnSync(
      ['dpkg-deb', '--root-owner-group', '-Zzstd', quick ? '-z1' : '-z10', '--threads-max=1', '--build', tree, file],
      {
        env: { PATH: '/usr/bin:/bin', SOURCE_DATE_EPOCH: String(time), LC_ALL: 'C' },
      },
    )
    if (made.exitCode !== 0) throw new Error(`dpkg-deb: ${made.stderr.toString()}`)
    return file
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

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

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { version: { type: 'string', default: about.version }, quick: { type: 'boolean', default: false } },
    allowPositionals: true,
  })
  const directory = resolve(positionals[0] ?? join(root, 'dist/packages'))
  mkdirSync(directory, { recursive: true })
  const lines: string[] = []
  for (const description of [await complete(), portal]) {
    const file = await buildPackage(description, { directory, ...values })
    const digest = createHash('sha256').update(readFileSync(file)).digest('hex')
    lines.push(`${digest}  ${file.slice(directory.length + 1)}`)
    console.log(`${file} (${(statSync(file).size / 1e6).toFixed(1)} MB)`)
  }
  writeFileSync(join(directory, 'SHA256SUMS'), `${lines.join('\n')}\n`)
}
