// The step of the demo that logs in on the web: `ob portal serve`, a provider that is not ours, and a real browser in
// which the person acts. Without a browser it shows what a person would see, and says that nobody acts.

import { type Elsewhere, startElsewhere } from '../host/elsewhere.ts'
import { configure, group } from '../host/enrolled.ts'
import type { AuditLine, Lab } from '../host/lab.ts'
import { type Dialogue, onScreen, sshCommand } from '../host/web.ts'

type Told = { readonly good: boolean; readonly happened: string }

/** alice's key, which the step before has put in place, lets her come as far as the address. */
const key = '/root/alice-key'

/** Logs alice in; `auditOf` reads what is new in the audit log. */
export async function webLogin(lab: Lab, auditOf: (lab: Lab) => readonly AuditLine[]): Promise<Told> {
  const elsewhere = await startElsewhere(lab, group)
  try {
    await configure(lab, `weblogin = portal\n${elsewhere.settings}`)
    await lab.setStack('k')
    const nobody = (await elsewhere.ask('browser')) as string | null
    auditOf(lab)
    let code = 'nothing'
    const person = async (address: string): Promise<string | undefined> => {
      try {
        code = String(await elsewhere.ask('confirm', address, 'sub-alice'))
        return code
      } catch (error) {
        // She gives up at the prompt.
        code = `nothing (${String(error)})`
        return undefined
      }
    }
    const command = sshCommand('alice', 'echo ENTERED $(id -un)', '-i', key, '-o', 'IdentitiesOnly=yes')
    const seen = await onScreen(lab, command, {
      type: ({ address }) => (nobody === null ? person(address) : undefined),
    })
    const reasons = auditOf(lab)
      .map(({ reason }) => reason)
      .join(', ')
    return nobody === null ? acted(seen, code, reasons) : onlyShown(seen, nobody, reasons)
  } finally {
    await end(elsewhere)
  }
}

/** The next step of the demo goes on, even when the service did not end well: it ends with the lab. */
const end = (elsewhere: Elsewhere): Promise<void> => elsewhere.stop().catch(() => undefined)

const address = ({ addresses }: Dialogue): string => addresses.at(-1) ?? 'no address'

function acted(seen: Dialogue, code: string, reasons: string): Told {
  const entered = seen.output.includes('ENTERED alice')
  const browser = `she opens ${address(seen)} in a browser, signs in at the provider, says that it was her, types ${code}`
  return {
    good: entered && reasons === 'weblogin-asked, weblogin-confirmed, portal-allowed, session-opened',
    happened: `${browser}, and is ${entered ? 'in' : 'refused'} (log: ${reasons})`,
  }
}

function onlyShown(seen: Dialogue, nobody: string, reasons: string): Told {
  const screen = seen.output.slice(seen.output.indexOf('Log in to '), seen.output.lastIndexOf('Password'))
  const lines = screen.trimEnd().split('\n')
  return {
    good: address(seen).startsWith('https://') && reasons === 'weblogin-asked' && !seen.output.includes('ENTERED'),
    happened: [
      `nobody plays the person here (${nobody}), so nobody comes in (log: ${reasons}). A person would see:`,
      ...lines.map((line) => `     ${line}`.trimEnd()),
    ].join('\n'),
  }
}
