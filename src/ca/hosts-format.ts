// Hosts whose keys this authority signs, as its administrator enrolled them: a fingerprint and the names it may have.
import { type Fingerprint, parseFingerprint } from '../base/names.ts'

export type HostNames = ReadonlyMap<Fingerprint, readonly string[]>

const name = /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)*[A-Za-z0-9-]{0,62}|[0-9a-fA-F:]{2,39})$/

/** A host name or address as it may stand in a certificate; no patterns. */
export const isHostName = (text: string): boolean => text.length <= 253 && name.test(text)

export const formatHosts = (hosts: HostNames): string =>
  [...hosts].map(([fingerprint, names]) => `${fingerprint} ${names.join(',')}\n`).join('')

/** Undefined when a line is not one. Lines that begin with # are comments. */
export function parseHosts(text: string): HostNames | undefined {
  const hosts = new Map<Fingerprint, readonly string[]>()
  for (const line of text.split('\n')) {
    if (/^\s*(#|$)/.test(line)) continue
    const [key = '', list = '', ...more] = line.trim().split(/\s+/)
    const fingerprint = parseFingerprint(key)
    const names = list.split(',')
    if (!fingerprint || more.length > 0 || !names.every(isHostName)) return undefined
    hosts.set(fingerprint, names)
  }
  return hosts
}
