// The packages: the same bytes from the same sources, nothing where it does not belong, and scripts that a shell takes.
import { expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { host, portal } from '../../packaging/packages.ts'
import { debianScripts, rpmScriptlets } from '../../packaging/steps.ts'

const root = join(import.meta.dir, '../..')
const isBuilt = existsSync(join(root, 'dist/ob')) && Bun.which('dpkg-deb') !== null

function run(argv: readonly string[], stdin = ''): { readonly code: number; readonly text: string } {
  const ran = Bun.spawnSync([...argv], { cwd: root, stdin: new TextEncoder().encode(stdin) })
  return { code: ran.exitCode, text: ran.stdout.toString() + ran.stderr.toString() }
}

function built(directory: string): readonly string[] {
  const made = run([process.execPath, 'packaging/package.ts', directory, '--quick'])
  expect(made).toMatchObject({ code: 0 })
  return readFileSync(join(directory, 'SHA256SUMS'), 'utf8').trim().split('\n')
}

test.skipIf(!isBuilt)(
  'two builds are bit-identical, and hold what the description says',
  () => {
    const directories = [1, 2].map(() => mkdtempSync(join(tmpdir(), 'ob-deb-')))
    try {
      const [one = [], two = []] = directories.map(built)
      expect(one.length).toBeGreaterThanOrEqual(3)
      expect(two).toEqual(one)
      const [file] = new Bun.Glob('ob_*.deb').scanSync(directories[0]!)
      const path = join(directories[0]!, file!)
      const listed = run(['dpkg-deb', '-c', path]).text
      for (const { to, link } of host.files)
        expect(listed).toContain(link === undefined ? ` ./${to}\n` : ` ./${to} -> ${link}\n`)
      // The login shell of functional accounts is in its place, and the samples are read and not run.
      expect(listed).toMatch(/^-rwxr-xr-x root\/root .* \.\/usr\/sbin\/ob-shell$/m)
      expect(listed).toMatch(/^-rw-r--r-- root\/root .* \.\/usr\/share\/ob\/sudoers\/open-bastion-functional$/m)
      // Nothing is owned by a user, and /etc holds the one file that dpkg may ask about.
      expect(listed.split('\n').filter((line) => line !== '' && !line.includes(' root/root '))).toEqual([])
      expect(listed.match(/ \.\/etc\/.*[^/]$/gm)).toEqual([' ./etc/logrotate.d/ob'])
      for (const shell of [
        'bash-completion/completions/ob',
        'fish/vendor_completions.d/ob.fish',
        'zsh/vendor-completions/_ob',
      ])
        expect(listed).toContain(`./usr/share/${shell}\n`)
      const inside = run([
        'sh',
        '-c',
        'dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/share/ob/sbom.json',
        'sh',
        path,
      ]).text
      const names = JSON.parse(inside).components.map(({ name }: { name: string }) => name)
      expect(names).toEqual(expect.arrayContaining(['bun', 'jose', 'valibot', 'hash-wasm']))
      const completion = run([
        ...[
          'sh',
          '-c',
          'dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/share/bash-completion/completions/ob',
          'sh',
          path,
        ],
      ]).text
      const completed = run([
        'bash',
        '-c',
        `${completion}\nCOMP_WORDS=(ob setup --r) COMP_CWORD=2; _ob; echo "\${COMPREPLY[@]}"`,
      ])
      expect(completed).toEqual({ code: 0, text: '--revert-after\n' })
    } finally {
      for (const directory of directories) rmSync(directory, { recursive: true })
    }
  },
  240_000,
)

const scripts = [host, portal].flatMap(({ steps }) => [
  ...Object.entries(debianScripts(steps)),
  ...Object.entries(rpmScriptlets(steps)),
])

test.each(scripts)('%s is a script that sh takes', (_, text) => {
  expect(run(['sh', '-n'], text)).toEqual({ code: 0, text: '' })
})

test('every unit of packaging/systemd is in one package', () => {
  const packaged = [...host.files, ...portal.files].flatMap(({ from }) => (from ? [from] : []))
  const units = [...new Bun.Glob('packaging/systemd/*').scanSync(root)].sort()
  expect(packaged.filter((path) => path.startsWith('packaging/systemd/')).sort()).toEqual(units)
})

test.each([
  ['pam.d', 'pam.d'],
  ['packaging/ssh', 'ssh'],
  ['packaging/sudoers', 'sudoers'],
])('every file of %s is in the package as a sample, with its own name', (from, folder) => {
  const names = [...new Bun.Glob('*').scanSync(join(root, from))].sort()
  expect(names.length).toBeGreaterThan(1)
  const packaged = host.files.filter(({ to }) => to.startsWith(`usr/share/ob/${folder}/`))
  const expected = names.map((name) => ({ to: `usr/share/ob/${folder}/${name}`, from: `${from}/${name}`, mode: 0o644 }))
  expect([...packaged].sort((a, b) => (a.to < b.to ? -1 : 1))).toEqual(expected)
})

const pages = ['README.md', ...new Bun.Glob('docs/**/*.md').scanSync(root)].sort()

test('every page that a message of the program names is on the host', async () => {
  const packaged = new Set(host.files.map(({ to }) => to))
  const named = new Set<string>()
  for (const file of new Bun.Glob('{src,modes}/**/*.ts').scanSync(root))
    for (const [page] of (await Bun.file(join(root, file)).text()).matchAll(/\bdocs\/[a-z-]+\.md/g)) named.add(page)
  expect(named.size).toBeGreaterThan(3)
  expect([...named].filter((page) => !packaged.has(`usr/share/doc/ob/${page}`))).toEqual([])
})

test('what the documents name below /usr/share/ob is in a package', () => {
  const packaged = new Set([...host.files, ...portal.files].map(({ to }) => `/${to}`))
  // The list of software is printed when the package is built. A name with a variable stands for the files of each
  // mode.
  packaged.add('/usr/share/ob/sbom.json')
  const named = pages.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/\/usr\/share\/ob\/[\w.$/-]*[\w]/g)].map(([path]) => [
      page,
      path,
    ]),
  )
  expect(named.length).toBeGreaterThan(5)
  for (const [page, path = ''] of named) {
    const meant = path.replace('$mode', 'a')
    const isThere = [...packaged].some((file) => file === meant || file.startsWith(`${meant}/`))
    expect([page, path, isThere]).toEqual([page, path, true])
  }
})
