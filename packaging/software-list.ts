// The list of software inside the executable (CycloneDX 1.5), from package.json and what is installed for it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pinned from './tools/bun.json' with { type: 'json' }

type Manifest = {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
}

const manifestAt = (path: string): Manifest => JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))

/** Every package that the program's own dependencies bring, each once, in order of names. */
export async function softwareList(root: string): Promise<string> {
  const own = manifestAt(root)
  const found = new Map<string, Manifest>()
  const visit = (name: string): void => {
    if (found.has(name)) return
    const manifest = manifestAt(join(root, 'node_modules', name))
    found.set(name, manifest)
    for (const next of Object.keys(manifest.dependencies ?? {})) visit(next)
  }
  for (const name of Object.keys(own.dependencies ?? {})) visit(name)
  const components = [...found.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, version, license }) => ({
      type: 'library',
      name,
      version,
      purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
      ...(license ? { licenses: [{ license: { id: license } }] } : {}),
    }))
  const runtime = { type: 'framework', name: 'bun', version: pinned.version, licenses: [{ license: { id: 'MIT' } }] }
  const list = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: { type: 'application', name: own.name, version: own.version } },
    components: [runtime, ...components],
  }
  return `${JSON.stringify(list, undefined, 2)}\n`
}
