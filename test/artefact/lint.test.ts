// The packages as lintian and rpmlint see them: nothing is said that is not explained where it is overridden.
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dir, '../..')
const missing = ['dpkg-deb', 'rpmbuild', 'lintian', 'rpmlint', 'cpio'].filter((name) => Bun.which(name) === null)
const isReady = missing.length === 0 && existsSync(join(root, 'dist/ob'))
if (!isReady) console.error(`the packages are not linted: ${missing.join(', ') || 'dist/ob'} is missing`)

let directory = ''
const named = (suffix: string): readonly string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(directory, name))

function run(argv: readonly string[]): string {
  const ran = Bun.spawnSync([...argv], { cwd: root, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' } })
  return ran.stdout.toString() + ran.stderr.toString()
}

beforeAll(() => {
  if (!isReady) return
  directory = mkdtempSync(join(tmpdir(), 'ob-lint-'))
  const built = Bun.spawnSync([process.execPath, 'packaging/package.ts', directory, '--quick'], { cwd: root })
  if (built.exitCode !== 0) throw new Error(built.stderr.toString())
}, 240_000)
afterAll(() => {
  if (directory !== '') rmSync(directory, { recursive: true })
})

test.skipIf(!isReady)(
  'lintian has nothing to say that is not explained, and every explanation is needed',
  () => {
    expect(named('.deb').length).toBe(2)
    const said = run(['lintian', '--allow-root', '--tag-display-limit', '0', ...named('.deb')])
    // Version numbers of tests are none of Debian's.
    expect(said.split('\n').filter((line) => /^[EWI]: /.test(line))).toEqual([])
  },
  240_000,
)

test.skipIf(!isReady)(
  'rpmlint has nothing to say that is not explained',
  () => {
    expect(named('.rpm').length).toBe(2)
    const said = run(['rpmlint', '-c', 'packaging/rpm/rpmlint.toml', ...named('.rpm')])
    expect(said).toMatch(/2 packages and 0 specfiles checked; 0 errors, 0 warnings/)
  },
  240_000,
)

test.skipIf(!isReady)("the rpm holds the files of the package, root's, and the program whole", () => {
  const file = named('.rpm').find((name) => /\/ob-\d/.test(name))!
  const listed = run(['rpm', '-qp', '--qf', '[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]', file])
  expect(listed).toContain('-rwxr-xr-x root /usr/sbin/ob\n')
  expect(listed.split('\n').filter((line) => line !== '' && !line.includes(' root '))).toEqual([])
  const same = run([
    'sh',
    '-c',
    'rpm2cpio "$1" | cpio -i --to-stdout ./usr/sbin/ob 2>/dev/null | cmp - dist/ob && echo same',
    'sh',
    file,
  ])
  expect(same).toBe('same\n')
})

test.skipIf(!isReady)('the archive holds the same files, and SHA256SUMS fits every one of the five', () => {
  const [archive] = named('.tar.gz')
  const listed = run(['tar', '-tvzf', archive!])
  expect(listed).toMatch(/^-rwxr-xr-x 0\/0 .* \.\/usr\/sbin\/ob$/m)
  expect(listed).toMatch(/^l.* \.\/usr\/bin\/ob -> \.\.\/sbin\/ob$/m)
  expect(listed).toContain('./usr/lib/systemd/system/ob-portal.service')
  expect(listed).toContain('./usr/share/ob/sbom.json')
  const checked = run(['sh', '-c', 'cd "$1" && sha256sum -c SHA256SUMS', 'sh', directory])
  expect(checked.match(/: OK$/gm)?.length).toBe(5)
})
