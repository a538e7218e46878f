// Hostile surroundings as a table: what an attacker may put into the current directory and the environment of a
// program that root runs. Whoever starts the program in any of these must see what he sees without them.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export type HostileCase = {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  /** The runtime obeys it; the program has to say otherwise with every request. */
  readonly closedByProgram?: true
  /** Started under this name instead of its own. */
  readonly argv0?: string
}

export type HostilePlace = {
  /** Current directory of the victim. Everything the cases may touch is below it. */
  readonly directory: string
  /** Counts connections: a proxy, debugger or name nobody should have turned to. */
  readonly trap: { readonly port: number; connections: number; readonly close: () => void }
  /** Names of everything laid out by the attacker; a name more afterwards is a trace of code that ran. */
  readonly before: ReadonlySet<string>
}

const payload = (trace: string, syntax: 'import' | 'require') =>
  `${syntax === 'import' ? `import { writeFileSync } from 'node:fs'` : `const { writeFileSync } = require('node:fs')`}
writeFileSync(${JSON.stringify(trace)}, 'pwned')
console.log('allowed')
process.exit(0)
`

const layout = (directory: string): Readonly<Record<string, string>> => {
  const trace = join(directory, 'pwned')
  const script = `touch ${trace}; echo allowed`
  return {
    '.env': `BUN_OPTIONS=--preload=${directory}/evil.js\nNODE_TLS_REJECT_UNAUTHORIZED=0\nPAM_USER=root\nOB_HOSTILE=1\n`,
    '.env.production': `NODE_TLS_REJECT_UNAUTHORIZED=0\nOB_HOSTILE=1\n`,
    'bunfig.toml': `preload = ["${directory}/evil.js"]\n[run]\npreload = ["${directory}/evil.js"]\n`,
    '.bunfig.toml': `preload = ["${directory}/evil.js"]\n`,
    'package.json': JSON.stringify({
      name: 'evil',
      main: './evil.js',
      scripts: Object.fromEntries(
        ['pam', 'keys', 'verdict', 'status', 'version', 'preverdict'].map((v) => [v, script]),
      ),
      imports: { '#*': './evil.js' },
      dependencies: { valibot: '*', jose: '*' },
    }),
    'tsconfig.json': JSON.stringify({
      compilerOptions: { baseUrl: '.', paths: { '*': ['./evil.js'], 'node:fs': ['./evil.js'] } },
    }),
    'evil.js': payload(trace, 'require'),
    'evil.mjs': payload(trace, 'import'),
    'evil.sh': `#!/bin/sh\n${script}\n`,
    'pam.ts': payload(trace, 'import'),
    'keys.ts': payload(trace, 'import'),
    'verdict.ts': payload(trace, 'import'),
    'verdict.js': payload(trace, 'require'),
    'index.ts': payload(trace, 'import'),
    'node_modules/valibot/package.json': '{"name":"valibot","main":"index.js"}',
    'node_modules/valibot/index.js': payload(trace, 'require'),
    'node_modules/jose/index.js': payload(trace, 'require'),
    'node_modules/.bin/verdict': `#!/bin/sh\n${script}\n`,
    'overrides.txt': 'override !{return"denied"}!\nwith !{ return "allowed" }!\n',
    'overrides-plain.txt': 'override !{\n  return "denied";\n}!\nwith !{ return "allowed" }!\n',
  }
}

/** A certificate authority of the attacker's, its key, and a server certificate for 127.0.0.1 signed by it. */
export function forge(directory: string, name: string): void {
  const at = (suffix: string) => join(directory, `${name}${suffix}`)
  const openssl = (...args: readonly string[]) => {
    const run = spawnSync('openssl', args, { encoding: 'utf8' })
    if (run.status !== 0) throw new Error(`openssl ${args[0]}: ${run.error ?? run.stderr}`)
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-subj',
    `/CN=${name} CA`,
    '-keyout',
    at('-ca.key'),
    '-out',
    at('-ca.pem'),
  )
  openssl('req', ...key, '-subj', '/CN=127.0.0.1', '-keyout', at('.key'), '-out', at('.csr'))
  writeFileSync(at('.ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n')
  const signer = ['-CA', at('-ca.pem'), '-CAkey', at('-ca.key'), '-CAcreateserial', '-extfile', at('.ext')]
  openssl('x509', '-req', '-days', '2', '-in', at('.csr'), ...signer, '-out', at('.pem'))
}

const everything = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true }).map(String).sort()

/** Lays the attacker's files out in an empty directory of the caller's and opens the trap. */
export function prepare(directory: string): HostilePlace {
  for (const [name, content] of Object.entries(layout(directory))) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content, { mode: 0o755 })
  }
  forge(directory, 'evil')
  mkdirSync(join(directory, 'evil-certs'))
  symlinkSync('../evil-ca.pem', join(directory, 'evil-certs', 'ca.pem'))
  spawnSync('openssl', ['rehash', join(directory, 'evil-certs')])
  const trap = { port: 0, connections: 0, close: () => listener.stop(true) }
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        trap.connections += 1
        socket.end()
      },
      data() {},
    },
  })
  trap.port = listener.port
  return { directory, trap, before: new Set(everything(directory)) }
}

/** What appeared since; must be empty. It is cleared, so that one case does not speak for the next. */
export function takeTraces(place: HostilePlace): readonly string[] {
  const found = everything(place.directory).filter((name) => !place.before.has(name))
  for (const name of found) rmSync(join(place.directory, name), { recursive: true, force: true })
  return found
}

const options = (place: HostilePlace): readonly string[] => {
  const evil = join(place.directory, 'evil.js')
  return [
    `--preload=${evil}`,
    '--preload=./evil.js',
    `-r ${evil}`,
    `--require ${evil}`,
    `--import=${join(place.directory, 'evil.mjs')}`,
    `--config=${join(place.directory, 'bunfig.toml')}`,
    `--env-file=${join(place.directory, '.env')}`,
    `--cpu-prof --cpu-prof-dir=${place.directory}`,
    `--heap-prof --heap-prof-dir=${place.directory}`,
    '--inspect=127.0.0.1:0',
    '--inspect-wait=127.0.0.1:0',
    `-e require('${evil}')`,
    '--use-system-ca',
  ]
}

const variables = ({ directory, trap }: HostilePlace): readonly Readonly<Record<string, string>>[] => {
  const proxy = `http://127.0.0.1:${trap.port}`
  return [
    { BUN_BE_BUN: '1' },
    { BUN_BE_BUN: 'true' },
    { BUN_INSPECT: '127.0.0.1:0' },
    { BUN_INSPECT: 'ws://127.0.0.1:0/?wait=1' },
    { BUN_INSPECT_CONNECT_TO: `ws://127.0.0.1:${trap.port}/` },
    { BUN_INSPECT: `ws+unix://${directory}/inspect.sock`, BUN_INSPECT_NOTIFY: `unix://${directory}/notify.sock` },
    { BUN_INSPECT_PRELOAD: join(directory, 'evil.js') },
    { BUN_BYTECODE_ORDER_OUT: join(directory, 'order.out') },
    {
      BUN_BYTECODE_ORDER_OUT: join(directory, 'order.out'),
      BUN_BYTECODE_ORDER_NAMES_OUT: join(directory, 'names.out'),
    },
    { BUN_BYTECODE_DIGEST_OUT: join(directory, 'digest.out') },
    { BUN_JSC_functionOverrides: join(directory, 'overrides.txt') },
    { BUN_JSC_functionOverrides: join(directory, 'overrides-plain.txt') },
    { BUN_JSC_dumpOptions: '1' },
    { BUN_JSC_unheardOf: '1' },
    { JSC_dumpOptions: '1', JSC_functionOverrides: join(directory, 'overrides.txt') },
    { BUN_RUNTIME_TRANSPILER_CACHE_PATH: directory },
    { BUN_TRACE: join(directory, 'trace.out') },
    { BUN_CONFIG_VERBOSE_FETCH: 'curl' },
    { BUN_ENABLE_CRASH_REPORTING: '1', BUN_CRASH_REPORT_URL: proxy },
    { BUN_INSTALL: directory, BUN_TMPDIR: directory, TMPDIR: directory },
    { BUN_FEATURE_FLAG_LAST_MODIFIED_PRETEND_304: '1' },
    { NODE_OPTIONS: `--require ${join(directory, 'evil.js')}` },
    { NODE_OPTIONS: `--import ${join(directory, 'evil.mjs')} --inspect=127.0.0.1:0` },
    { NODE_PATH: join(directory, 'node_modules') },
    { NODE_COMPILE_CACHE: join(directory, 'cache') },
    { NODE_REDIRECT_WARNINGS: join(directory, 'warnings.out') },
    { NODE_V8_COVERAGE: join(directory, 'coverage') },
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    { NODE_EXTRA_CA_CERTS: join(directory, 'evil-ca.pem') },
    { NODE_USE_SYSTEM_CA: '1' },
    { SSL_CERT_FILE: join(directory, 'evil-ca.pem') },
    { SSL_CERT_DIR: join(directory, 'evil-certs') },
    { SSLKEYLOGFILE: join(directory, 'keys.log') },
    { OPENSSL_CONF: join(directory, '.env') },
    { HTTPS_PROXY: proxy, HTTP_PROXY: proxy },
    { https_proxy: proxy, http_proxy: proxy },
    { ALL_PROXY: proxy, all_proxy: proxy },
    { ENV: join(directory, 'evil.sh'), BASH_ENV: join(directory, 'evil.sh') },
    { HOME: directory, XDG_CONFIG_HOME: directory, XDG_CACHE_HOME: join(directory, 'cache') },
    { PWD: '/', OLDPWD: '/' },
  ]
}

const isProxy = (env: Readonly<Record<string, string>>): boolean =>
  Object.keys(env).some((name) => /_proxy$/i.test(name))

/** Every case; all of them at once is the last. The first is the hostile directory alone. */
export function hostileCases(place: HostilePlace): readonly HostileCase[] {
  const rows = variables(place)
  const title = (env: Readonly<Record<string, string>>) =>
    Object.entries(env)
      .map(
        ([name, value]) =>
          `${name}=${value.replaceAll(place.directory, '.').replaceAll(String(place.trap.port), 'PORT')}`,
      )
      .join(' ')
  return [
    { name: 'the directory alone', env: {} },
    ...rows.map((env) => ({ name: title(env), env, ...(isProxy(env) ? { closedByProgram: true as const } : {}) })),
    ...options(place).map((flags) => ({ name: title({ BUN_OPTIONS: flags }), env: { BUN_OPTIONS: flags } })),
    ...['bun', 'bunx', 'node', '-bun', 'npx'].map((argv0) => ({ name: `argv[0] = ${argv0}`, env: {}, argv0 })),
    { name: 'every variable at once', env: Object.assign({}, ...rows), closedByProgram: true },
  ]
}
