// The parts that are not ours: an OpenID provider (npm's oidc-provider) and a browser (Debian's chromium). A machine
// that has no chromium and cannot get it says which tests were left out.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'

export type { Browser, Page } from 'playwright-core'

const repository = join(import.meta.dir, '..', '..')

/** Why there is no browser here; undefined when there is one. */
export function browserRefusal(): string | undefined {
  if (Bun.which('chromium') !== null) return undefined
  const fetched = spawnSync('node', ['packaging/setup.mjs', 'part', 'chromium'], { cwd: repository, encoding: 'utf8' })
  if (fetched.status === 0 && Bun.which('chromium') !== null) return undefined
  return `there is no chromium and it could not be installed: ${fetched.stderr?.trim().split('\n').at(-1) ?? 'no node'}`
}

export async function startBrowser(): Promise<Browser> {
  // Nothing but this machine: the provider's page would wait for fonts from elsewhere.
  const alone = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'
  return chromium.launch({ executablePath: Bun.which('chromium') ?? 'chromium', args: ['--no-sandbox', alone] })
}

/** A person's own browser: nothing of another person's is in it. */
export async function newPerson(browser: Browser, options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> {
  return browser.newPage({ ignoreHTTPSErrors: true, locale: 'en-GB', ...options })
}
