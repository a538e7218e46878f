// Builds the one executable: `bun packaging/build.ts [ENTRY [OUTFILE]]`. Bun.build() and not the command line, because
// `bun build` accepts unknown flags without a word, and a mistyped hardening flag would be lost.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import pinned from './tools/bun.json' with { type: 'json' }
import { type Architecture, harden } from './tools/harden.ts'

const root = resolve(import.meta.dir, '..')

/** Baked into the executable. `--` must stay last: it turns whatever comes after into arguments of nobody. */
export const execArgv: readonly string[] = [
  '--disallow-code-generation-from-strings=strict',
  '--no-ffi-cc',
  '--no-addons',
  '--no-install',
  '--no-warnings',
  '--',
]

export const buildOptions = (entry: string, outfile: string, runtime: string) =>
  ({
    entrypoints: [entry],
    target: 'bun',
    format: 'esm',
    minify: true,
    bytecode: true,
    splitting: true,
    sourcemap: 'none',
    env: 'disable',
    define: { 'process.env.NODE_ENV': '"production"' },
    allowUnresolved: [],
    throw: true,
    compile: {
      outfile,
      executablePath: runtime,
      execArgv: [...execArgv],
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      jitPolicy: 100,
    },
  }) satisfies Bun.BuildConfig

function architecture(): Architecture {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch
  throw new Error(`ob is built on x64 and arm64, not on ${process.arch}`)
}

function pinnedRuntime(): Buffer {
  const path = process.execPath
  const bytes = readFileSync(path)
  const digest = createHash('sha256').update(bytes).digest('hex')
  if (digest !== pinned.sha256[architecture()])
    throw new Error(`${path} is not the pinned Bun ${pinned.version}; build with "npm run build"`)
  return bytes
}

/**
 * Writes the executable to `outfile`, complete or not at all. It is made under its final name in a directory of its
 * own, because the name is part of the bytes and two builds must be bit-identical. Nobody may strip(1) it: that takes
 * the program away and leaves a Bun which runs whatever it is told. For the same reason it is never setuid.
 */
export async function build(entry: string, outfile: string): Promise<void> {
  const target = resolve(outfile)
  mkdirSync(dirname(target), { recursive: true })
  const workshop = mkdtempSync(join(dirname(target), '.build-'))
  try {
    const runtime = join(workshop, 'runtime')
    writeFileSync(runtime, harden(pinnedRuntime(), architecture()), { mode: 0o755 })
    const product = join(workshop, basename(target))
    await Bun.build(buildOptions(resolve(entry), product, runtime))
    chmodSync(product, 0o755)
    renameSync(product, target)
  } finally {
    rmSync(workshop, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [entry = join(root, 'modes/ob.ts'), outfile = join(root, 'dist/ob')] = process.argv
    .slice(2)
    .map((path) => resolve(path))
  // The names of chunks are hashes of paths seen from the current directory.
  process.chdir(root)
  await build(entry, outfile)
}
