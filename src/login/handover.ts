// The account phase hands the portal's answer over to the session phase of the same connection, so that no phase
// asks what another asked already. Only root can write here, and it is written after authentication.
import * as v from 'valibot'
import { decodeUtf8 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import { type LoginName, parseFingerprint, parseLoginName } from '../base/names.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Granted } from '../portal-client/reply-format.ts'
import type { Remembered } from './session.ts'

export type Connections = {
  readonly remember: (connection: string, remembered: Remembered) => void
  readonly recall: (connection: string, user: LoginName) => Remembered | undefined
  readonly forget: (connection: string) => void
  /** Removes what no session took; for a timer. */
  readonly tidy: () => void
}

/** sshd may take LoginGraceTime between account and session; nothing older is believed. Seconds. */
const believedSeconds = 180

/** Made when a record is read: only the session phase pays for it. */
const record = () =>
  v.object({
    writtenAt: v.number(),
    user: v.string(),
    fingerprint: v.optional(v.string()),
    groups: v.array(v.string()),
    sudoAllowed: v.boolean(),
    offline: v.optional(v.boolean(), false),
    breakGlass: v.optional(v.boolean(), false),
    attributes: v.object({
      uid: v.optional(v.union([v.string(), v.number()])),
      gecos: v.optional(v.string()),
      home: v.optional(v.string()),
      shell: v.optional(v.string()),
    }),
  })

export function openConnections(world: Parts<'now' | 'files'>): Connections {
  const fileOf = (connection: string): string => `${paths.connections}/${connection}.json`
  return {
    remember: (connection, { authorization, fingerprint, offline, breakGlass }) => {
      world.files.makeDirectory(paths.connections, 0o700)
      // Not every account phase is followed by a session, and /run is memory.
      sweep(world, paths.connections, olderThan(world, believedSeconds))
      const { user, groups, sudoAllowed, attributes } = authorization
      const text = JSON.stringify({
        writtenAt: world.now(),
        user,
        fingerprint,
        offline,
        breakGlass,
        groups,
        sudoAllowed,
        attributes,
      })
      world.files.writeAtomic(fileOf(connection), text, { mode: 0o600 })
    },
    tidy: () => sweep(world, paths.connections, olderThan(world, believedSeconds), 'early'),
    recall: (connection, user) => {
      const bytes = world.files.readTrusted(fileOf(connection), { limit: 1 << 20, secret: true })
      return bytes && parseRecord(decodeUtf8(bytes) ?? '', user, world.now())
    },
    forget: (connection) => void world.files.remove(fileOf(connection)),
  }
}

function parseRecord(text: string, user: LoginName, now: number): Remembered | undefined {
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), record()), text)
  if (!read.success) return undefined
  const { writtenAt, groups, sudoAllowed, attributes, fingerprint, offline, breakGlass } = read.output
  if (parseLoginName(read.output.user) !== user || Math.abs(now - writtenAt) > believedSeconds) return undefined
  // JSON has no undefined: an absent member is absent here too.
  const authorization: Granted = {
    kind: 'granted',
    user,
    groups,
    sudoAllowed,
    attributes: attributes as Granted['attributes'],
  }
  return {
    authorization,
    offline,
    breakGlass,
    fingerprint: fingerprint === undefined ? undefined : parseFingerprint(fingerprint),
  }
}
