// What logins leave behind for a while, removed by a timer, so that no login has to look through it.
import { Fault } from '../base/fault.ts'
import type { Ports } from './ports.ts'

/** What could not be removed, in words: a full or broken disk is no reason to end a heartbeat. */
export function tidy(ports: Pick<Ports, 'usedTokens' | 'connections' | 'provenKeys' | 'lockouts' | 'unknownUsers'>) {
  const { usedTokens, connections, provenKeys, lockouts, unknownUsers } = ports
  const problems: string[] = []
  for (const kept of [usedTokens, connections, provenKeys, lockouts, unknownUsers])
    try {
      kept.tidy()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      problems.push(error.message)
    }
  return problems
}
