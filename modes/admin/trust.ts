// The lines with which clients and hosts trust the certificate authority of this host.
import { allowed } from '../../src/base/outcome.ts'
import { readAuthorityKeys } from '../../src/ca/signing.ts'
import { type Authority, clientTrust, patternOf, showAuthority } from '../../src/ca/trust-policy.ts'
import { loadConfig } from '../../src/config/load.ts'
import { parse } from '../run/args.ts'
import { ended, type Mode } from '../run/mode.ts'

export const syntax = {
  name: 'trust',
  summary:
    'Print the line for known_hosts with which clients trust every host that the authority on this host signed; with --hosts, what hosts do to trust the people whom it signed.',
  args: {
    pattern: {
      type: 'positional',
      description: 'names of the hosts; *.DOMAIN of the authority unless told',
      required: false,
    },
    hosts: { type: 'boolean', description: 'for hosts instead of clients', default: false },
  },
} as const

export const mode: Mode = {
  run: async (args, world) => {
    const result = await parse(syntax, args)
    if ('ending' in result) return result.ending
    const config = loadConfig(world.files)
    const name = config.ca_name ?? world.hostname()
    const authority: Authority = {
      name,
      pattern: result.parsed.pattern ?? patternOf(name),
      user: readAuthorityKeys(world, config.ca_public_keys),
      host: readAuthorityKeys(world, config.ca_host_public_keys),
    }
    return ended(allowed('done'), result.parsed.hosts ? showAuthority(authority) : clientTrust(authority))
  },
}
