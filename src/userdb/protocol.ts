// The methods of systemd's io.systemd.UserDatabase. nss-systemd believes every answer, uid 0 too. So only entries of
// the user index are answered, and the index holds only what visibility-policy.ts allows.

import { parseGroupName, parseLoginName } from '../base/names.ts'
import { groupRecord, membership, type UserFields, userRecord } from './user-record-format.ts'

export const serviceName = 'io.openbastion'

/** The entries in memory. Each has passed the visibility policy. */
export type UserIndex = {
  readonly user: (name: string) => UserFields | undefined
  readonly nameOfUid: (uid: number) => string | undefined
  /** Own groups of users and shared ones. */
  readonly group: (name: string) => number | undefined
  readonly nameOfGid: (gid: number) => string | undefined
  readonly groupsOf: (user: string) => readonly string[]
  readonly membersOf: (group: string) => Iterable<string>
  readonly users: () => Iterable<string>
  readonly groups: () => Iterable<string>
}

/** The entry of a user whom only sshd may see, because the first login is under way. */
export type FirstTimeUsers = {
  readonly byName: (name: string) => UserFields | undefined
  readonly byId: (id: number) => { readonly name: string; readonly fields: UserFields } | undefined
}

export type Question = {
  readonly method: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly more: boolean
}

export type Reply =
  | { readonly kind: 'records'; readonly records: Iterable<object> }
  | { readonly kind: 'error'; readonly error: string; readonly parameters?: object }

const failure = (word: string): Reply => ({ kind: 'error', error: `io.systemd.UserDatabase.${word}` })
const one = (record: object): Reply => ({ kind: 'records', records: [record] })
const notFound = failure('NoRecordFound')

export type Rules = {
  readonly directory: UserIndex
  readonly newcomers: FirstTimeUsers
  /** Whether every caller may list all users (nss_enumerate). */
  readonly enumerate: boolean
}

export function answer(question: Question, rules: Rules): Reply {
  const methods: Readonly<Record<string, (q: Question, r: Rules) => Reply>> = {
    'io.systemd.UserDatabase.GetUserRecord': answerUser,
    'io.systemd.UserDatabase.GetGroupRecord': answerGroup,
    'io.systemd.UserDatabase.GetMemberships': answerMemberships,
  }
  const method = Object.hasOwn(methods, question.method) ? methods[question.method] : undefined
  if (!method)
    return { kind: 'error', error: 'org.varlink.service.MethodNotFound', parameters: { method: question.method } }
  if (question.parameters['service'] !== serviceName) return failure('BadService')
  return method(question, rules)
}

const invalid = (parameter: string): Reply => ({
  kind: 'error',
  error: 'org.varlink.service.InvalidParameter',
  parameters: { parameter },
})

const isId = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0

/** null and a missing member are the same to systemd. */
const given = ({ parameters }: Question, name: string): unknown => parameters[name] ?? undefined

function answerUser(question: Question, { directory, newcomers, enumerate }: Rules): Reply {
  const [name, uid] = [given(question, 'userName'), given(question, 'uid')]
  if (name !== undefined && typeof name !== 'string') return invalid('userName')
  if (uid !== undefined && !isId(uid)) return invalid('uid')
  if (name === undefined && uid === undefined)
    return listing(question, enumerate, () =>
      map(directory.users(), (user) => userRecord(user, directory.user(user)!, serviceName)),
    )
  const newcomer = name === undefined && uid !== undefined ? newcomers.byId(uid) : undefined
  const user = name ?? directory.nameOfUid(uid!) ?? newcomer?.name
  if (user === undefined || !parseLoginName(user)) return notFound
  const fields = directory.user(user) ?? newcomer?.fields ?? newcomers.byName(user)
  if (!fields) return notFound
  if (uid !== undefined && fields.uid !== uid) return failure('ConflictingRecordFound')
  return one(userRecord(user, fields, serviceName))
}

function answerGroup(question: Question, { directory, newcomers, enumerate }: Rules): Reply {
  const [name, gid] = [given(question, 'groupName'), given(question, 'gid')]
  if (name !== undefined && typeof name !== 'string') return invalid('groupName')
  if (gid !== undefined && !isId(gid)) return invalid('gid')
  if (name === undefined && gid === undefined)
    return listing(question, enumerate, () =>
      map(directory.groups(), (group) => groupRecord(group, directory.group(group)!, serviceName)),
    )
  const newcomer = gid === undefined ? undefined : newcomers.byId(gid)
  const group = name ?? directory.nameOfGid(gid!) ?? newcomer?.name
  if (group === undefined || !(parseGroupName(group) || parseLoginName(group))) return notFound
  // A question for a group never makes the own group of a first-time user.
  const found = directory.group(group) ?? (newcomer?.name === group ? newcomer.fields.gid : undefined)
  if (found === undefined) return notFound
  if (gid !== undefined && found !== gid) return failure('ConflictingRecordFound')
  return one(groupRecord(group, found, serviceName))
}

function answerMemberships(question: Question, { directory, enumerate }: Rules): Reply {
  const [user, group] = [given(question, 'userName'), given(question, 'groupName')]
  if (user !== undefined && typeof user !== 'string') return invalid('userName')
  if (group !== undefined && typeof group !== 'string') return invalid('groupName')
  if (user === undefined && group === undefined) return listing(question, enumerate, () => allMemberships(directory))
  if (user === undefined) {
    // The members of a group are a list of people too, and getgrnam(3) asks for it: only a user's own membership is
    // answered.
    if (!enumerate) return notFound
    return several(map(directory.membersOf(group!), (member) => membership(member, group!)))
  }
  const groups = directory.groupsOf(user).filter((one) => group === undefined || one === group)
  return several(groups.map((one) => membership(user, one)))
}

function* allMemberships(directory: UserIndex): Iterable<object> {
  for (const user of directory.users()) for (const group of directory.groupsOf(user)) yield membership(user, group)
}

function* map<T, U>(items: Iterable<T>, change: (item: T) => U): Iterable<U> {
  for (const item of items) yield change(item)
}

const listing = ({ more }: Question, enumerate: boolean, records: () => Iterable<object>): Reply => {
  if (!enumerate || !more) return failure('EnumerationNotSupported')
  return several(records())
}

function several(records: Iterable<object>): Reply {
  const iterator = records[Symbol.iterator]()
  const first = iterator.next()
  if (first.done) return notFound
  const all = function* (): Iterable<object> {
    yield first.value
    for (let next = iterator.next(); !next.done; next = iterator.next()) yield next.value
  }
  return { kind: 'records', records: all() }
}
