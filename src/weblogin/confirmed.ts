// Who a web login confirmed on this very connection: what the account phase of a host without a portal decides by. Only
// root writes here, and only after the service said `confirmed` about this user.
import { decodeUtf8 } from '../base/bytes.ts'
import { olderThan, sweep } from '../base/expire-files.ts'
import { parseJsonObject, textMember, textsMember, wholeMember } from '../base/json.ts'
import { paths } from '../base/paths.ts'
import type { Parts } from '../base/world.ts'
import type { Place } from './place.ts'
import type { Confirmed } from './service.ts'

export type ConfirmedLogins = {
  readonly write: (place: Place, confirmed: Confirmed) => void
  readonly read: (place: Place) => Confirmed | undefined
  readonly forget: (place: Place) => void
}

const directory = `${paths.weblogin}/confirmed`
/** The account phase follows at once; sshd takes LoginGraceTime at most until the session opens. Seconds. */
const believedSeconds = 300

export function openConfirmedLogins({ files, now }: Parts<'files' | 'now'>): ConfirmedLogins {
  const fileOf = ({ id }: Place): string => `${directory}/${id}.json`
  return {
    write: (place, { user: _, ...confirmed }) => {
      files.makeDirectory(directory, 0o700)
      sweep({ files, now }, directory, olderThan({ now }, believedSeconds))
      const record = { writtenAt: Math.floor(now()), user: place.user, service: place.service, ...confirmed }
      files.writeAtomic(fileOf(place), JSON.stringify(record), { mode: 0o600 })
    },
    read: (place) => {
      const bytes = files.readTrusted(fileOf(place), { limit: 1 << 20, secret: true })
      const object = bytes && parseJsonObject(decodeUtf8(bytes) ?? '')
      if (!object) return undefined
      const [user, service, subject, issuer] = ['user', 'service', 'subject', 'issuer'].map((name) =>
        textMember(object, name),
      )
      const groups = textsMember(object, 'groups')
      const writtenAt = wholeMember(object, 'writtenAt')
      if (user !== place.user || service !== place.service || subject === undefined || issuer === undefined)
        return undefined
      if (writtenAt === undefined || Math.abs(now() - writtenAt) > believedSeconds || !groups) return undefined
      return { user, subject, issuer, groups }
    },
    forget: (place) => void files.remove(fileOf(place)),
  }
}
