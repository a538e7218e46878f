// The packages: the same bytes from the same sources, nothing where it does not belong, and scripts that a shell takes.
import { expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { host, portal } from '../../packaging/deb/description.ts'

const root = join(import.meta.dir, '../..')
const isBuilt = existsSync(join(root, 'dist/ob')) && Bun.which('dpkg-deb') !== null

function run(argv: readonly string[], stdin = ''): { readonly code: number; readonly text: string } {
  const ran = Bun.spawnSync([...argv], { cwd: root, stdin: new TextEncoder().encode(stdin) })
  return { code: ran.exitCode, text: ran.stdout.toString() + ran.stderr.toString() }
}

function built(directory: string): readonly string[] {
  const made = run([process.execPath, 'packaging/deb/build.ts', directory])
  expect(made).toMatchObject({ code: 0 })
  return readFileSync(join(directory, 'SHA256SUMS'), 'utf8').trim().split('\n')
}

test.skipIf(!isBuilt)(
  'two builds are bit-identical, and hold what the description says',
  () => {
    const directories = [1, 2].map(() => mkdtempSync(join(tmpdir(), 'ob-deb-')))
    try {
      const [one = [], two = []] = directories.map(built)
      expect(one.length).toBe(2)
      expect(two).toEqual(one)
      const [file] = new Bun.Glob('ob_*.deb').scanSync(directories[0]!)
      const path = join(directories[0]!, file!)
      const listed = run(['dpkg-deb', '-c', path]).text
      for (const { to } of host.files) expect(listed).toContain(` ./${to}\n`)
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

test.each([...Object.entries(host.scripts), ...Object.entries(portal.scripts)])(
  '%s is a script that sh takes',
  (_, text) => {
    expect(run(['sh', '-n'], text)).toEqual({ code: 0, text: '' })
  },
)

test('every unit of packaging/systemd is in one package', () => {
  const packaged = [...host.files, ...portal.files].flatMap(({ from }) => (from ? [from] : []))
  const units = [...new Bun.Glob('packaging/systemd/*').scanSync(root)].sort()
  expect(packaged.filter((path) => path.startsWith('packaging/systemd/')).sort()).toEqual(units)
})
