// Writes what is printed from the configuration schema and the map of modes; with --check it only says what is out of date.
// usage: bun packaging/docs.ts [--check]
import { agentUnit } from '../src/ca/agent-unit.ts'
import { formatManual, formatMarkdown, formatSample } from '../src/config/print.ts'
import { formatPortalManual, formatPortalMarkdown, formatPortalSample } from '../src/portal-server/settings-print.ts'
import { formatObManual } from './manual.ts'

export const printed: readonly { readonly path: string; readonly text: () => string | Promise<string> }[] = [
  { path: 'packaging/openbastion.conf.sample', text: formatSample },
  { path: 'packaging/man/openbastion.conf.5', text: formatManual },
  { path: 'packaging/man/ob.8', text: formatObManual },
  { path: 'docs/configuration.md', text: formatMarkdown },
  { path: 'packaging/systemd/ob-ca-agent.service', text: () => agentUnit },
  { path: 'packaging/portal.conf.sample', text: formatPortalSample },
  { path: 'packaging/man/portal.conf.5', text: formatPortalManual },
  { path: 'docs/portal-configuration.md', text: formatPortalMarkdown },
]

const root = new URL('..', import.meta.url)

export const committed = (path: string): Promise<string> => Bun.file(new URL(path, root)).text()

if (import.meta.main) {
  const check = process.argv.includes('--check')
  for (const { path, text } of printed) {
    const file = Bun.file(new URL(path, root))
    const wanted = await text()
    if ((await file.exists()) && (await file.text()) === wanted) continue
    console.log(check ? `${path} is out of date: run bun packaging/docs.ts` : path)
    if (check) process.exitCode = 1
    else await Bun.write(file, wanted)
  }
}
