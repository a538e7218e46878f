// The table of ob doctor and the booted host once more on Debian 13, in a tree of it that somebody made before:
//   debootstrap --variant=minbase --include=PACKAGES trixie DIRECTORY && OB_DEBIAN_13=DIRECTORY npm test -- debian-13
// The suites run as they are, by the same Bun, in a chroot of their own mount namespace; /tmp, /srv and /run of the
// tree are covered.
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { refusal } from './namespace.ts'

const tree = process.env['OB_DEBIAN_13'] ?? ''
const repository = join(import.meta.dir, '..', '..')
const bun = relative(repository, process.execPath)

/** Besides what is in minbase. */
const packages =
  'systemd-sysv dbus libpam-systemd iproute2 procps ca-certificates openssh-server openssh-client sudo gnupg openssl ' +
  'libnss-extrausers libnss-systemd python3 curl pamtester valgrind rsync'

function whyNot(): string | undefined {
  if (tree === '') return `OB_DEBIAN_13 names no tree (debootstrap trixie, with ${packages})`
  const version = join(tree, 'etc/debian_version')
  if (!existsSync(version)) return `${tree} is no tree of Debian`
  const said = readFileSync(version, 'utf8').trim()
  if (!/^(13\b|trixie)/.test(said)) return `${tree} is Debian ${said}, not 13`
  if (bun.startsWith('..')) return `${process.execPath} is not in this repository, and the tree has no Bun`
  return refusal()
}

const cause = whyNot()
if (cause !== undefined) console.error(`the tests on Debian 13 are left out: ${cause}`)

// nsenter(1) inside goes to the root of the mount namespace, which a mere chroot is not.
const script = `set -e
tree=$1 repository=$2; shift 2
mount --bind "$tree" "$tree"
cd "$tree"
for name in proc sys dev; do mount --rbind /$name $name; done
for name in tmp run srv; do mount -t tmpfs -o mode=0755 own $name; done
chmod 1777 tmp
mkdir srv/repository srv/before && mount --rbind "$repository" srv/repository
pivot_root . srv/before
exec chroot . sh -c 'umount -l /srv/before; cd /srv/repository && exec "$@"' in "$@"`

const suites = ['doctor', 'systemd', 'root', 'setup', 'logins', 'keys', 'gpg', 'gpg-services', 'weblogin-key']
suites.push('package', 'switch', 'power-cut', 'served')

for (const suite of suites)
  (cause === undefined ? test : test.skip)(
    `on Debian 13: ${suite}`,
    async () => {
      const inside = [`/srv/repository/${bun}`, 'test', '--timeout', '30000', `./test/host/${suite}.test.ts`]
      const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', tree, repository]
      const child = Bun.spawn([...argv, ...inside], {
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8' },
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
      })
      const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
      const told = `${stdout}${stderr}`
      if (code !== 0)
        console.error(
          told
            .split('\n')
            .filter((line) => !line.startsWith('(pass)'))
            .join('\n'),
        )
      expect([code, / 0 fail$/m.test(told), /^(the tests .* are left out|host tests are skipped)/m.test(told)]).toEqual(
        [0, true, false],
      )
    },
    900_000,
  )
