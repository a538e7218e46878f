// Makes an .rpm of a description, for systems that are no Debian. It is built and linted here, and was never installed: this
// project has no such system to try it on.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Making } from '../package.ts'
import type { Entry, Package } from '../packages.ts'
import { rpmScriptlets } from '../steps.ts'
import { layOut } from '../tree.ts'

const architectures: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/** A version of Debian may hold a tilde and no hyphen, as one of rpm may. */
type Laid = {
  readonly version: string
  readonly tree: string
  readonly paths: readonly string[]
  readonly time: number
}

const spec = (description: Package, { version, tree, paths, time }: Laid): string =>
  [
    `Name: ${description.name}`,
    `Version: ${version}`,
    'Release: 1',
    `Summary: ${description.summary.replace(/^./, (letter) => letter.toUpperCase())}`,
    'Packager: ob maintainers <maintainers@ob.invalid>',
    'Group: System Environment/Daemons',
    'License: Apache-2.0',
    ...(description.architecture === 'all' ? ['BuildArch: noarch'] : []),
    ...description.rpmRequires.map((name) => `Requires: ${name.replace('$version', version)}`),
    'AutoReqProv: no',
    '',
    '%description',
    ...description.about,
    '',
    '%install',
    `cp -a ${tree}/. %{buildroot}/`,
    ...(paths.includes('/etc/logrotate.d/ob') ? ['mkdir -p %{buildroot}/var/log/open-bastion'] : []),
    '',
    ...Object.entries(rpmScriptlets(description.steps)).flatMap(([name, text]) => [`%${name}`, text, '']),
    '%files',
    ...(paths.includes('/etc/logrotate.d/ob') ? ['%dir %attr(0750,root,root) /var/log/open-bastion'] : []),
    ...paths.map((path) => filesLine(description, path)),
    '',
    '%changelog',
    `* ${rpmDate(time)} ob maintainers <maintainers@ob.invalid> - ${version}-1`,
    '- See /usr/share/doc/ob/CHANGELOG.md.gz.',
    '',
  ].join('\n')

/** As a changelog of rpm has it: Sun Nov 29 2026. */
const rpmDate = (time: number): string =>
  new Date(time * 1000).toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+) .*/, '$1 $3 $2 $4')

function filesLine({ conffiles }: Package, path: string): string {
  if (conffiles.includes(path)) return `%config(noreplace) ${path}`
  return path.startsWith('/usr/share/doc/') || path.startsWith('/usr/share/man/') ? `%doc ${path}` : path
}

// Nothing may touch the executable: brp-strip would take the program out of it.
const definitions = (work: string, quick: boolean): Readonly<Record<string, string>> => ({
  _topdir: work,
  _rpmdir: `${work}/rpms`,
  _build_id_links: 'none',
  debug_package: '%{nil}',
  __os_install_post: '%{nil}',
  _buildhost: 'ob',
  _binary_payload: quick ? 'w1.zstdio' : 'w10.zstdio',
  use_source_date_epoch_as_buildtime: '1',
  clamp_mtime_to_source_date_epoch: '1',
})

/** Writes one package and returns its path. */
export async function buildRpm(description: Package, { directory, version, quick, time }: Making): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), 'ob-rpm-'))
  try {
    const tree = join(work, 'tree')
    mkdirSync(tree)
    const files = description.files.map((entry): Entry => ({ ...entry, to: elsewhere(entry.to) }))
    const laid = await layOut(files, tree, time)
    laid.close()
    const paths = laid.paths.map((path) => `/${path}`)
    writeFileSync(join(work, 'ob.spec'), spec(description, { version, tree, paths, time }))
    const defined = Object.entries(definitions(work, quick)).flatMap(([name, value]) => [
      '--define',
      `${name} ${value}`,
    ])
    const target = description.architecture === 'all' ? 'noarch' : (architectures[process.arch] ?? process.arch)
    const made = Bun.spawnSync(['rpmbuild', '-bb', '--target', target, ...defined, join(work, 'ob.spec')], {
      env: { PATH: '/usr/bin:/bin', HOME: work, SOURCE_DATE_EPOCH: String(time), LC_ALL: 'C' },
    })
    if (made.exitCode !== 0) throw new Error(`rpmbuild: ${made.stderr.toString()}`)
    const built = join(work, 'rpms', target)
    const [name] = readdirSync(built)
    const file = join(directory, name!)
    copyFileSync(join(built, name!), file)
    return file
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** zsh of other systems looks elsewhere. */
const elsewhere = (path: string): string => path.replace('zsh/vendor-completions', 'zsh/site-functions')
