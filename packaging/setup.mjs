// `npm run COMMAND` on a machine that has Node and npm and nothing else. Plain JavaScript without packages, because it
// runs before there are any: it fetches the pinned Bun, the packages and what is missing from Debian, then hands over.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const pinned = JSON.parse(readFileSync(join(root, 'packaging/tools/bun.json'), 'utf8'))

/** Ends the command with a sentence instead of a stack. */
class Stop extends Error {}

// Nothing that edits /etc when it is installed (libnss-systemd: see below) or brings a server of its own.
const machine = [
  ...['openssh-server', 'openssh-client', 'sudo', 'libnss-extrausers', 'openssl', 'iproute2', 'util-linux'],
  ...['procps', 'curl', 'valgrind', 'gnupg'],
]
const testing = [
  ...machine,
  'python3',
  'pamtester',
  'rsync',
  'sqop',
  'zbar-tools',
  'softhsm2',
  'lintian',
  'rpm',
  'rpmlint',
]
const measuring = [...testing, 'gcc', 'libc6-dev', 'time', 'argon2']

const biome = ['node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '--colors=off']

const commands = {
  demo: { debian: machine, build: true, run: [['test/demo/demo.ts']] },
  test: { debian: testing, nss: true, securityKey: true, build: true, run: [['packaging/test.ts']] },
  build: { debian: [], build: true, run: [] },
  check: { debian: [], build: false, run: [], checks: true },
  docs: { debian: [], build: false, run: [['packaging/docs.ts']] },
  package: { debian: ['dpkg', 'rpm'], build: true, run: [['packaging/package.ts']] },
  mutants: { debian: [], build: false, run: [['test/mutation/run.ts']] },
  bench: { debian: measuring, nss: true, build: true, run: [['test/bench/bench.ts']] },
}

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** One line when it went well; everything it printed when it did not. */
function step(title, work) {
  const since = performance.now()
  const note = work()
  process.stderr.write(`${title}${note ? `: ${note}` : ''} (${seconds(since)})\n`)
}

function quietly(file, args, options = {}) {
  const run = spawnSync(file, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    ...options,
  })
  if (run.error) throw new Stop(`${file} could not be started: ${run.error.message}`)
  if (run.status === 0) return run.stdout
  process.stderr.write(run.stdout + run.stderr)
  throw new Stop(`${[file, ...args].join(' ')} ended with ${run.status ?? run.signal}`)
}

function architecture() {
  const wanted = pinned.sha256[process.arch]
  if (process.platform !== 'linux' || !wanted)
    throw new Stop(`ob runs on Linux on x64 and arm64, and this is ${process.platform} on ${process.arch}`)
  if (!process.report.getReport().header.glibcVersionRuntime)
    throw new Stop('ob needs glibc, and this system has another C library; use Debian 12 or later, or a relative')
  return wanted
}

const bunPath = () =>
  join(root, `build/tools/node_modules/@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`)

const digest = (path) => createHash('sha256').update(readFileSync(path)).digest('hex')

function installBun(wanted) {
  const path = bunPath()
  if (existsSync(path) && digest(path) === wanted) return 'already there'
  mkdirSync(join(root, 'build/tools'), { recursive: true })
  const manners = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier']
  quietly('npm', ['install', '--prefix', join(root, 'build/tools'), ...manners, `bun@${pinned.version}`])
  if (!existsSync(path)) throw new Stop(`npm installed no ${path}; is an npm configuration omitting optional packages?`)
  const found = digest(path)
  if (found !== wanted)
    throw new Stop(`${path} has SHA-256 ${found} and not ${wanted}; remove build/tools and try again`)
  return pinned.version
}

function missingPackages(names) {
  const format = `${['Package', 'db:Status-Status'].map((field) => `\${${field}}`).join(' ')}\\n`
  const run = spawnSync('dpkg-query', ['-W', '-f', format, ...names], { encoding: 'utf8' })
  if (run.error) throw new Stop(`this command needs Debian's ${names.join(', ')}, and there is no dpkg here`)
  const installed = new Set(
    run.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  )
  return names.filter((name) => !installed.has(name))
}

// Services must not start on the machine of somebody who only wants to run tests. What maintainer scripts would start
// them with is covered by true(1) in a mount namespace that ends with apt-get, so nothing is left behind.
const withoutServices = `
for program in /usr/sbin/invoke-rc.d /usr/bin/deb-systemd-invoke; do
  if [ -e "$program" ]; then mount --bind /bin/true "$program" || exit 1; fi
done
exec "$@"`

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const command = ['apt-get', '-qq', '-o', 'Dpkg::Use-Pty=0', ...args]
  const isolated = spawnSync('unshare', ['--mount', 'true']).status === 0
  if (isolated) return quietly('unshare', ['--mount', 'sh', '-c', withoutServices, 'sh', ...command], { env })
  process.stderr.write('no mount namespace here: an installed service may be started\n')
  return quietly(command[0], command.slice(1), { env })
}

/** Debian switches sshd on for the next boot; a machine that had none must not listen because somebody ran tests. */
function leaveSwitchedOff() {
  const systemd = spawnSync('systemctl', ['--quiet', '--no-reload', 'disable', 'ssh.service'], { encoding: 'utf8' })
  const run = systemd.error ? spawnSync('update-rc.d', ['ssh', 'disable'], { encoding: 'utf8' }) : systemd
  if (run.error) return
  if (run.status !== 0) throw new Stop(`sshd was installed and starts at the next boot: ${run.stderr.trim()}`)
}

function installDebian(names) {
  const missing = missingPackages(names)
  if (missing.length === 0) return 'all there'
  if (process.getuid() !== 0) throw new Stop(`run this as root, or first: sudo apt-get install ${missing.join(' ')}`)
  aptGet(['update'])
  aptGet(['install', '-y', '--no-install-recommends', ...missing])
  if (missing.includes('openssh-server')) leaveSwitchedOff()
  return missing.join(' ')
}

// libnss-systemd rewrites /etc/nsswitch.conf when it is installed, and brings systemd where there is none. Its library is
// all that the tests need, and they give it to the private host alone (test/host/lab.ts).
function fetchNss() {
  const name = 'libnss_systemd.so.2'
  if (quietly('/sbin/ldconfig', ['-p']).includes(name)) return 'already there'
  const folder = join(root, 'build/tools/nss')
  if (existsSync(join(folder, name))) return 'already fetched'
  const work = join(folder, 'package')
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  aptGet(['update'])
  quietly('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', 'libnss-systemd'], { cwd: work })
  const [file] = readdirSync(work)
  quietly('dpkg-deb', ['-x', join(work, file), work])
  const found = quietly('find', [work, '-name', name]).trim()
  if (!found) throw new Stop(`${file} holds no ${name}`)
  copyFileSync(found, join(folder, name))
  rmSync(work, { recursive: true })
  return file
}

// OpenSSH's own stand-in for a security key. Its package brings all of OpenSSH's tests with it; one file of it will do.
function fetchSecurityKey() {
  const folder = join(root, 'build/tools/sk')
  if (existsSync(join(folder, 'sk-dummy.so'))) return 'already fetched'
  const work = join(folder, 'package')
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  aptGet(['update'])
  quietly('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', 'openssh-tests'], { cwd: work })
  const [file] = readdirSync(work)
  quietly('dpkg-deb', ['-x', join(work, file), work])
  const found = quietly('find', [work, '-name', 'sk-dummy.so']).trim()
  if (!found) return `${file} holds no sk-dummy.so, so its tests are skipped`
  copyFileSync(found, join(folder, 'sk-dummy.so'))
  rmSync(work, { recursive: true })
  return file
}

function newest(path) {
  const facts = statSync(path)
  if (!facts.isDirectory()) return facts.mtimeMs
  return Math.max(facts.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

const sources = ['src', 'modes', 'packaging/build.ts', 'packaging/tools', 'package.json', 'bun.lock', 'tsconfig.json']

function buildProgram() {
  const program = join(root, 'dist/ob')
  const changedAt = Math.max(...sources.map((name) => newest(join(root, name))))
  if (existsSync(program) && statSync(program).mtimeMs > changedAt) return 'up to date'
  quietly(bunPath(), ['packaging/build.ts'])
  return 'dist/ob'
}

function checkLock() {
  const lines = readFileSync(join(root, 'bun.lock'), 'utf8').split('\n')
  const host = lines.findIndex((line) => /https?:\/\//.test(line))
  if (host !== -1)
    throw new Stop(`bun.lock:${host + 1} names a registry host; install with the default registry and commit that`)
  if (existsSync(join(root, 'package-lock.json'))) throw new Stop('remove package-lock.json; bun.lock is the lock')
}

/** The program's exit status, and all that it printed. */
function inBackground(file, args) {
  const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Stop(`${file} could not be started: ${error.message}`)))
    child.on('close', (status, signal) => resolve({ status: status ?? signal, output }))
  })
}

const checks = [
  { title: 'types', file: bunPath(), args: ['node_modules/typescript/bin/tsc', '--noEmit'] },
  { title: 'style', file: process.execPath, args: biome },
  { title: 'generated documents', file: bunPath(), args: ['packaging/docs.ts', '--check'] },
]

/** Side by side, and each to its end: who mends one thing wants to hear of the others too. */
async function check() {
  step('lock file', checkLock)
  const failures = await Promise.all(
    checks.map(async ({ title, file, args }) => {
      const since = performance.now()
      const { status, output } = await inBackground(file, args)
      process.stderr.write(`${title} (${seconds(since)})\n${status === 0 ? '' : output}`)
      return status === 0 ? [] : [`${title}: ${[file, ...args].join(' ')} ended with ${status}`]
    }),
  )
  if (failures.flat().length > 0) throw new Stop(failures.flat().join('\n'))
}

/** Tests of rooms of src/ alone need no program and nothing of the machine; `npm test -- login` is done in seconds. */
function choose(name) {
  const rooms = process.argv.slice(3)
  const isLight = name === 'test' && rooms.length > 0 && rooms.every((room) => existsSync(join(root, 'src', room)))
  return isLight ? { ...commands[name], debian: [], nss: false, build: false } : commands[name]
}

function handOver(args) {
  const run = spawnSync(bunPath(), [...args, ...process.argv.slice(3)], { cwd: root, stdio: 'inherit' })
  if (run.error) throw new Stop(`bun could not be started: ${run.error.message}`)
  return run.status ?? 1
}

/** Large packages that only some tests need: the suite asks for them, and says when it has to do without. */
const large = { chromium: ['chromium'], ansible: ['ansible-core', 'python3-apt'] }

function installPart(name) {
  if (!Object.hasOwn(large, name))
    throw new Stop(`usage: node packaging/setup.mjs part ${Object.keys(large).join('|')}`)
  step(name, () => installDebian(large[name]))
  return 0
}

async function main(name) {
  if (name === 'part') return installPart(process.argv[3])
  const command = Object.hasOwn(commands, name) ? choose(name) : undefined
  if (!command) throw new Stop(`usage: node packaging/setup.mjs ${Object.keys(commands).join('|')}`)
  const wanted = architecture()
  if (command.debian.length > 0 && process.getuid() !== 0)
    throw new Stop(
      `npm run ${name} works with real sshd, sudo and PAM in namespaces of its own, so it must run as root`,
    )
  if (command.debian.length > 0) step('Debian packages', () => installDebian(command.debian))
  if (command.nss) step('nss-systemd', fetchNss)
  if (command.securityKey) step('software security key', fetchSecurityKey)
  step('Bun', () => installBun(wanted))
  step('packages', () => void quietly(bunPath(), ['install', '--frozen-lockfile']))
  if (command.build) step('program', buildProgram)
  if (command.checks) await check()
  for (const args of command.run) {
    const status = handOver(args)
    if (status !== 0) return status
  }
  return 0
}

process.exitCode = 1
try {
  process.exitCode = await main(process.argv[2] ?? '')
} catch (error) {
  if (!(error instanceof Stop)) throw error
  process.stderr.write(`${error.message}\n`)
}
