// Makes a Debian package of a description. dpkg-deb compresses with fixed settings.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Making } from '../package.ts'
import type { Entry, Package } from '../packages.ts'
import { debianScripts } from '../steps.ts'
import { layOut } from '../tree.ts'
import { overrides } from './overrides.ts'

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
const maintainer = 'ob maintainers <maintainers@ob.invalid>'

type Printed = { readonly architecture: string; readonly version: string; readonly kilobytes: number }

/** deb-control(5) */
const control = (description: Package, { architecture, version, kilobytes }: Printed): string =>
  [
    `Package: ${description.name}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${kilobytes}`,
    `Depends: ${description.depends.join(', ').replace('$version', version)}`,
    ...(description.recommends.length > 0 ? [`Recommends: ${description.recommends.join(', ')}`] : []),
    'Section: admin',
    'Priority: optional',
    `Description: ${description.summary}`,
    ...description.about.map((line) => ` ${line}`),
    '',
  ].join('\n')

/** deb-changelog(5); what changed is in the other file. */
function changelog(name: string, version: string, time: number): string {
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000')
  return `${name} (${version}) unstable; urgency=medium\n\n  * See /usr/share/doc/ob/CHANGELOG.md.gz.\n\n -- ${maintainer}  ${date}\n`
}

/** Writes one package and returns its path. */
export async function buildDeb(description: Package, { directory, version, quick, time }: Making): Promise<string> {
  const { name } = description
  const architecture = description.architecture === 'all' ? 'all' : (architectures[process.arch] ?? process.arch)
  const work = mkdtempSync(join(tmpdir(), 'ob-package-'))
  try {
    const explained = overrides[name]
    const files: readonly Entry[] = [
      ...description.files,
      { to: `usr/share/doc/${name}/changelog.gz`, text: () => changelog(name, version, time), mode: 0o644, gzip: true },
      ...(explained === undefined
        ? []
        : [{ to: `usr/share/lintian/overrides/${name}`, text: () => explained, mode: 0o644 }]),
    ]
    const tree = await layOut(files, work, time)
    const printed = { architecture, version, kilobytes: Math.ceil(tree.bytes / 1024) }
    tree.put('DEBIAN/control', control(description, printed), 0o644)
    tree.put('DEBIAN/md5sums', `${tree.sums.join('\n')}\n`, 0o644)
    if (description.conffiles.length > 0) tree.put('DEBIAN/conffiles', `${description.conffiles.join('\n')}\n`, 0o644)
    for (const [script, text] of Object.entries(debianScripts(description.steps)))
      tree.put(`DEBIAN/${script}`, text, 0o755)
    tree.close()
    const file = join(directory, `${name}_${version}_${architecture}.deb`)
    const made = Bun.spawnSync(
      ['dpkg-deb', '--root-owner-group', '-Zzstd', quick ? '-z1' : '-z10', '--threads-max=1', '--build', work, file],
      { env: { PATH: '/usr/bin:/bin', SOURCE_DATE_EPOCH: String(time), LC_ALL: 'C' } },
    )
    if (made.exitCode !== 0) throw new Error(`dpkg-deb: ${made.stderr.toString()}`)
    return file
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
