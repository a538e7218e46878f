// The kinds of values a key can have. Each carries its rule as a title, which messages and the manual print.
import * as v from 'valibot'
import { decodeBase64 } from '../base/bytes.ts'
import { parseGroupName, parseLoginName } from '../base/names.ts'
import { isSecretName, reference, Secret } from '../base/secret.ts'

/**
 * A value with its rule, which completes the sentence "KEY must be …"; the messages never repeat the value that was
 * written.
 */
export const value = <T>(rule: string, parse: (text: string) => T | undefined) =>
  v.pipe(
    v.string(),
    v.title(rule),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const parsed = parse(dataset.value)
      if (parsed !== undefined) return parsed
      addIssue({ message: `must be ${rule}` })
      return NEVER
    }),
  )

/** true yes 1 on, false no 0 off, in any letter case; undefined for anything else. */
export function parseBoolean(text: string): boolean | undefined {
  switch (text.toLowerCase()) {
    case 'true':
    case 'yes':
    case '1':
    case 'on':
      return true
    case 'false':
    case 'no':
    case '0':
    case 'off':
      return false
    default:
      return undefined
  }
}

export const toggle = () => value('true or false', parseBoolean)

const decimal = /^\d{1,9}(\.\d{1,9})?$/

const within = (number: number, least: number, most: number): number | undefined =>
  number >= least && number <= most ? number : undefined

export const whole = (least: number, most: number, why = '') =>
  value(`a whole number from ${least} to ${most}${why}`, (text) =>
    String(Number(text)) === text ? within(Number(text), least, most) : undefined,
  )

export const fraction = (least: number, most: number) =>
  value(`a number from ${least} to ${most}`, (text) =>
    decimal.test(text) ? within(Number(text), least, most) : undefined,
  )

export const choice = <const W extends string>(words: readonly W[]) =>
  value(`one of ${words.join(', ')}`, (text) => words.find((word) => word === text))

/** One of some words, which upstream also numbers from 0. */
export const level = <const W extends string>(words: readonly W[]) =>
  value(`one of ${words.join(', ')} (or 0 to ${words.length - 1})`, (text) =>
    words.find((word, number) => word === text || String(number) === text),
  )

export const words = () =>
  value('1 to 255 characters', (text) => (text !== '' && text.length <= 255 ? text : undefined))

const oneName = (text: string): string | undefined => (text === 'root' ? undefined : parseLoginName(text))

export const loginName = () => value('a login name of lower-case letters, digits and _ - . that is not root', oneName)

export const loginNameList = () =>
  value('login names of lower-case letters, digits and _ - . without root, separated by commas or blanks', (text) =>
    parseList(text.split(/[\s,]+/), oneName),
  )

/** Text that RegExp takes; it is to match whole texts. */
export const pattern = () =>
  value('a regular expression of 1 to 200 characters', (text) => {
    if (text === '' || text.length > 200) return undefined
    try {
      new RegExp(`^(?:${text})$`)
      return text
    } catch {
      return undefined
    }
  })

/** Names, and `people` for every account of a person; or `none`. */
export const localAccounts = () =>
  value('people, none, or login names, separated by commas or blanks', (text) => {
    const names = parseList(text.split(/[\s,]+/), oneName)
    return names?.includes('none') && names.length > 1 ? undefined : names
  })

/** USER@HOST, as ssh(1) takes it. */
export const remoteAccount = () =>
  value('USER@HOST', (text) =>
    /^[a-z_][a-z0-9_.-]{0,31}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/.test(text) ? text : undefined,
  )

/** Some of these words. */
export const subset = (known: readonly string[]) =>
  value(`some of ${known.join(', ')}, separated by commas or blanks`, (text): readonly string[] | undefined =>
    parseList(text.split(/[\s,]+/), (item) => known.find((word) => word === item)),
  )

/** The secret itself, or where it is kept. */
export const secret = () =>
  value('1 to 1024 characters, or sealed:NAME with a name that ob secret takes', (text) => {
    if (text === '' || text.length > 1024) return undefined
    return text.startsWith(reference) && !isSecretName(text.slice(reference.length)) ? undefined : new Secret(text)
  })

export const keyringName = () =>
  value('1 to 64 of letters, digits and _ . -', (text) => (/^[A-Za-z0-9_.-]{1,64}$/.test(text) ? text : undefined))

export const wordList = () =>
  value('words of letters, digits and _ . : / -, separated by commas or blanks', (text) =>
    parseList(text.split(/[\s,]+/), (item) => (/^[\w.:/-]{1,255}$/.test(item) ? item : undefined)),
  )

export const choiceList = <const W extends string>(known: readonly W[]) =>
  value(`some of ${known.join(', ')}, separated by commas or blanks`, (text): readonly string[] | undefined =>
    parseList(text.split(/[\s,]+/), (item) => known.find((word) => word === item)),
  )

/** As sshd's option from= takes them, without its wildcards. */
export const networkList = () =>
  value(
    'addresses or networks (192.0.2.0/24, 2001:db8::/64), separated by commas or blanks',
    (text): readonly string[] | undefined =>
      parseList(text.split(/[\s,]+/), (item) => (network.test(item) ? item : undefined)),
  )

const network = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)(\/\d{1,3})?$/

export const hostNames = () =>
  value('host names or addresses, separated by commas or blanks', (text): readonly string[] | undefined =>
    parseList(text.toLowerCase().split(/[\s,]+/), (item) => (/^[a-z0-9._:-]{1,253}$/.test(item) ? item : undefined)),
  )

const emptyOrDots = /\/(\/|\.{1,2}(\/|$))/
// The characters that a passwd(5) field may hold, upstream's set.
const plainPath = /^\/[A-Za-z0-9/_.-]+$/

const parsePath = (text: string): string | undefined => {
  if (!text.startsWith('/') || text.length > 1023 || emptyOrDots.test(text)) return undefined
  return text.length > 1 && text.endsWith('/') ? text.slice(0, -1) : text
}

const parsePlainPath = (text: string): string | undefined =>
  plainPath.test(text) && !text.includes('/.') ? parsePath(text) : undefined

export const path = () => value('an absolute path without empty, . or .. parts', parsePath)

export const accountPath = () =>
  value('an absolute path below /, of letters, digits and / _ . -, without hidden parts', parsePlainPath)

export const pathList = () =>
  value('absolute paths below /, of letters, digits and / _ . -, separated by colons', (text) =>
    parseList(text.split(':'), parsePlainPath),
  )

/** Never by blanks: a portal's group may be called "not docker", and is no group of this host. */
export const groupList = () =>
  value(
    'group names of lower-case letters, digits, _ and -, separated by commas',
    (text): readonly string[] | undefined =>
      parseList(text.split(','), (item) => (item === 'root' ? undefined : parseGroupName(item))),
  )

/** Login names. */
export const nameList = () =>
  value('user names, separated by commas or blanks', (text): readonly string[] | undefined =>
    parseList(text.split(/[\s,]+/), parseLoginName),
  )

export function parseList<T>(
  items: readonly string[],
  parse: (item: string) => T | undefined,
): readonly T[] | undefined {
  const parsed = new Set<T>()
  for (const item of items) {
    const one = parse(item.trim())
    if (one === undefined) return undefined
    parsed.add(one)
  }
  return parsed.size > 0 ? [...parsed] : undefined
}

const service = /^[A-Za-z0-9_.-]{1,64}$/

/** Names of files in /etc/pam.d. */
export const serviceList = () =>
  value('names of PAM services, separated by commas or blanks', (text) =>
    parseList(text.split(/[\s,]+/), (item) => (service.test(item) ? item : undefined)),
  )

// su and its relatives name another user than the one who asks; the others would make root of a user who may only log
// in.
const decided = /^(sshd?|sudo(-i)?|su(-l)?|runuser(-l)?|doas|polkit-1|systemd-run0)$/

/** PAM service → the service that the portal is asked about. */
export const serviceMap = () =>
  value(
    'SERVICE=ssh or SERVICE=OTHER, separated by commas or blanks; OTHER is a service that the portal knows besides ssh ' +
      'and sudo, SERVICE a file in /etc/pam.d other than those of ssh, sudo, su and the like',
    (text): ReadonlyMap<string, string> | undefined => {
      const pairs = parseList(text.split(/[\s,]+/), parsePair)
      const map = new Map(pairs)
      return pairs && map.size === pairs.length ? map : undefined
    },
  )

function parsePair(item: string): readonly [string, string] | undefined {
  const [from = '', to = '', ...more] = item.split('=')
  if (more.length > 0 || !service.test(from) || !service.test(to) || decided.test(from)) return undefined
  return decided.test(to) && to !== 'ssh' && to !== 'sshd' ? undefined : [from, to]
}

export type KeyType = 'rsa' | 'ed25519' | 'ecdsa' | 'sk' | 'dsa'

const keyTypes: Readonly<Record<string, readonly KeyType[]>> = {
  rsa: ['rsa'],
  ed25519: ['ed25519'],
  ecdsa: ['ecdsa'],
  sk: ['sk'],
  fido2: ['sk'],
  dsa: ['dsa'],
  all: ['rsa', 'ed25519', 'ecdsa', 'sk'],
}

export const keyTypeList = () =>
  value('a list of rsa, ed25519, ecdsa, sk (or fido2), dsa, all (which leaves out dsa)', (text) => {
    const items = text.toLowerCase().split(/[\s,]+/)
    const lists = parseList(items, (item) => (Object.hasOwn(keyTypes, item) ? keyTypes[item] : undefined))
    return lists && [...new Set(lists.flat())]
  })

const pin = /^sha256\/\/([A-Za-z0-9+/]{43})=?$/

/** The pins in the form curl's CURLOPT_PINNEDPUBLICKEY takes, padding restored. */
export const pinList = () =>
  value('sha256// and 44 base64 characters, several separated by ;', (text) =>
    parseList(text.split(';'), (item) => {
      const key = pin.exec(item)?.[1]
      return key && decodeBase64(`${key}=`) ? `sha256//${key}=` : undefined
    }),
  )

/** Login names, and names of groups behind a %; * is everybody, where that is allowed. */
export const personList = (everybody: boolean) =>
  value(
    `login names, %GROUP${everybody ? ' or *' : ''}, separated by commas or blanks`,
    (text): readonly string[] | undefined =>
      parseList(text.split(/[\s,]+/), (item) => {
        if (item === '*') return everybody ? item : undefined
        return item.startsWith('%') ? (/^%[\w.:/@-]{1,255}$/.test(item) ? item : undefined) : parseLoginName(item)
      }),
  )

const eventShape = /^[A-Z][A-Z_]{2,39}$/

/** Names of audit events; AUTH_DENIED is what the C implementation documents for a refused authentication. */
export const eventList = () =>
  value('names of audit events, separated by commas or blanks', (text) =>
    parseList(text.split(/[\s,]+/), (item) =>
      eventShape.test(item) ? (item === 'AUTH_DENIED' ? 'AUTH_FAILURE' : item) : undefined,
    ),
  )

export const tlsVersion = () =>
  value('13 or 12 (or 1.3, 1.2): older versions of TLS are not spoken', (text): 12 | 13 | undefined => {
    if (text === '13' || text === '1.3') return 13
    return text === '12' || text === '1.2' ? 12 : undefined
  })

export const onlyTrue = () =>
  value(
    'true: the portal’s certificate is always checked; for a private authority set ca_cert = FILE',
    (text): true | undefined => (parseBoolean(text) ? true : undefined),
  )

export const onlyEncrypted = () =>
  value('true: what is kept on the disk is always sealed', (text): true | undefined =>
    parseBoolean(text) ? true : undefined,
  )
