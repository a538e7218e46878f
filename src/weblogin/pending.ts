// The web login that this connection has started and not finished, between two programs of one PAM stack and between
// two tries. Only root reads it: the session that it holds is what the typed code is checked with.
import { decodeUtf8 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import { flagMember, parseJsonObject, textMember, wholeMember } from '../base/json.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Place } from './place.ts'
import type { Pending } from './policy.ts'
import type { Started } from './service.ts'

export type PendingLogins = {
  readonly read: (place: Place) => Pending
  readonly open: (place: Place, started: Started & { readonly kind: 'started' }) => void
  readonly forget: (place: Place) => void
  /** The person has seen the address. */
  readonly markShown: (place: Place) => void
  /** From now on this connection gets no other address. */
  readonly refuse: (place: Place) => void
  /** One try less, for a service that counts none itself; how many are left. */
  readonly countTry: (place: Place) => number
}

const directory = `${paths.weblogin}/pending`
/** No LoginGraceTime is longer than this. Seconds. */
const keptSeconds = 3_600
const tries = 3

type Record = {
  readonly user: string
  readonly service: string
  readonly session: string
  readonly url: string
  readonly expiresAt: number
  readonly triesLeft: number
  readonly isShown: boolean
}

export function openPendingLogins({ files, now }: Parts<'files' | 'now'>): PendingLogins {
  const fileOf = ({ id }: Place): string => `${directory}/${id}.json`
  const write = (place: Place, record: Record): void => {
    files.makeDirectory(directory, 0o700)
    files.writeAtomic(fileOf(place), JSON.stringify(record), { mode: 0o600 })
  }
  const recordAt = (place: Place): Record | undefined => {
    const bytes = files.readTrusted(fileOf(place), { limit: 16_384, secret: true })
    const record = bytes && parseRecord(decodeUtf8(bytes) ?? '')
    return record && record.user === place.user && record.service === place.service ? record : undefined
  }
  return {
    read: (place) => {
      const record = recordAt(place)
      if (!record) return { kind: 'none' }
      if (record.session === '') return { kind: 'refused' }
      const { session, url, isShown, expiresAt } = record
      return now() < expiresAt ? { kind: 'open', session, url, isShown } : { kind: 'none' }
    },
    open: (place, { session, url, secondsLeft }) => {
      files.makeDirectory(directory, 0o700)
      // Not every address that is shown is answered, and /run is memory.
      sweep({ files, now }, directory, olderThan({ now }, keptSeconds))
      const { user, service } = place
      const expiresAt = Math.floor(now()) + secondsLeft
      write(place, { user, service, session, url, expiresAt, triesLeft: tries, isShown: false })
    },
    forget: (place) => void files.remove(fileOf(place)),
    refuse: ({ id, user, service }) =>
      write({ id, user, service }, { user, service, session: '', url: '', expiresAt: 0, triesLeft: 0, isShown: true }),
    markShown: (place) => {
      const record = recordAt(place)
      if (record) write(place, { ...record, isShown: true })
    },
    countTry: (place) => {
      const record = recordAt(place)
      if (!record) return 0
      const triesLeft = Math.max(0, record.triesLeft - 1)
      write(place, { ...record, triesLeft })
      return triesLeft
    },
  }
}

function parseRecord(text: string): Record | undefined {
  const object = parseJsonObject(text)
  if (!object) return undefined
  const [user, service, session, url] = ['user', 'service', 'session', 'url'].map((name) => textMember(object, name))
  const [expiresAt, triesLeft] = ['expiresAt', 'triesLeft'].map((name) => wholeMember(object, name))
  if (user === undefined || service === undefined || session === undefined || url === undefined) return undefined
  const isShown = flagMember(object, 'isShown')
  if (expiresAt === undefined || triesLeft === undefined || isShown === undefined) return undefined
  return { user, service, session, url, expiresAt, triesLeft, isShown }
}
