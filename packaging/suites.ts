// Which test files there are, which of them one process runs, and what a name on the command line selects.
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dir, '..')

/** The files of one process. */
export type Suite = {
  readonly name: string
  readonly patterns: readonly string[]
  /** Nothing else runs meanwhile. */
  readonly alone?: boolean
  /** With `ob serve` beside every host: each decision must be the same. */
  readonly served?: boolean
}

/** Suites of which each file is a process: it has a machine of its own, and shares only the processors. */
const separate = ['artefact', 'browser', 'host']

/** What is not a unit test. */
const apart = [...separate, 'scripts', 'vectors', 'fakes', 'demo', 'bench', 'mutation']

/**
 * The first counts the loops in which threads wait, and they wait longer on a busy machine. In the others a person has
 * only so much time for a page, and a browser takes both processors. The last may install Ansible, and whoever compares
 * the whole of /etc on a copy of this machine must not see that.
 */
const alone = ['host/budget', 'browser/login', 'browser/pages', 'host/weblogin-end-to-end', 'host/ansible']

/** Run once more with `ob serve`. */
const twice = ['host/truth-table', 'host/offline', 'host/logins', 'host/smart-shell']

const under = (folder: string): string => `test/${folder}/**/*.test.ts`

const scan = (pattern: string): readonly string[] => [...new Bun.Glob(pattern).scanSync(root)].sort()

/** Folders of test/ that hold tests, at any depth. */
const folders = (): readonly string[] => {
  const parts = scan('test/**/*.test.ts').map((file) => nameOf(file).split('/').slice(0, -1))
  const names = parts.flatMap((names) => names.map((_, at) => names.slice(0, at + 1).join('/')))
  return [...new Set(names)].sort()
}

/** test/host/keys.test.ts is host/keys. */
const nameOf = (file: string): string => file.replace(/^test\//, '').replace(/\.test\.ts$/, '')

const oneEach = (pattern: string): readonly Suite[] =>
  scan(pattern).map((file) => {
    const name = nameOf(file)
    return { name, patterns: [file], alone: alone.includes(name) }
  })

const unit = (): Suite => {
  const rooms = folders().filter((name) => !name.includes('/') && !apart.includes(name))
  return { name: 'unit', patterns: ['test/{architecture,docs,month}*.test.ts', ...rooms.map(under)] }
}

const servedToo = (): readonly Suite[] =>
  twice.map((name) => ({ name: name.replace('host/', 'served/'), patterns: [`test/${name}.test.ts`], served: true }))

/** What a name stands for: a suite, a folder of test/ (most are rooms of src/), or one file of it. */
function find(name: string): readonly Suite[] {
  if (name === 'unit') return [unit()]
  if (name === 'transcripts') return [{ name, patterns: ['test/transcript.test.ts'] }]
  if (separate.includes(name)) return oneEach(under(name))
  if (name === 'served') return servedToo()
  if (folders().includes(name)) return [{ name, patterns: [under(name)] }]
  return oneEach('test/**/*.test.ts').filter((suite) => suite.name === name)
}

const everything = ['unit', 'transcripts', ...separate, 'served']

export type Selection =
  | { readonly kind: 'selected'; readonly suites: readonly Suite[] }
  | { readonly kind: 'unknown'; readonly names: readonly string[]; readonly known: readonly string[] }

/** No names: everything. */
export function select(names: readonly string[]): Selection {
  const wanted = names.length === 0 ? everything : [...new Set(names)]
  const unknown = wanted.filter((name) => find(name).length === 0)
  if (unknown.length === 0) return { kind: 'selected', suites: wanted.flatMap(find).toSorted(longestFirst) }
  return { kind: 'unknown', names: unknown, known: [...new Set([...everything, ...folders()])] }
}

export const filesOf = (suite: Suite): readonly string[] => suite.patterns.flatMap(scan)

const size = (suite: Suite): number => filesOf(suite).reduce((sum, file) => sum + statSync(join(root, file)).size, 0)

// Long files take long, roughly, and whatever takes longest must not begin last.
const longestFirst = (a: Suite, b: Suite): number => size(b) - size(a)
