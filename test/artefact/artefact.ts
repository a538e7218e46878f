// The fixture program, built by the real build. ARTEFACT=/path runs the same tests against another executable, for
// example one built without hardening, against which they must fail.
import { join } from 'node:path'

const root = join(import.meta.dir, '../..')
const environment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: process.env['HOME'] ?? '/' }

export type Built = { readonly path: string }

/** Runs packaging/build.ts as its users do, from this directory, with these additions to the environment. */
export async function runBuild(
  entry: string,
  outfile: string,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
) {
  const child = Bun.spawn([process.execPath, join(root, 'packaging/build.ts'), entry, outfile], {
    cwd,
    env: { ...environment, ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code, text: stdout + stderr }
}

export const fixture = join(import.meta.dir, 'fixture/program.ts')

export async function buildFixture(directory: string): Promise<Built> {
  const given = process.env['ARTEFACT']
  if (given !== undefined) return { path: given }
  const path = join(directory, 'program')
  const { code, text } = await runBuild(fixture, path, root)
  if (code !== 0) throw new Error(`the build failed:\n${text}`)
  return { path }
}
