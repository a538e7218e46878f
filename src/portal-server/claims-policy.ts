// What a person of a provider is here: the account's name and the groups, with each step in words for
// `ob portal explain`. A claim is another's text: nothing of it is believed beyond what these rules say.
import type { Json, JsonObject } from '../base/json.ts'
import { type LoginName, parseLoginName } from '../base/names.ts'
import type { Pointer, ProviderConfig } from './settings.ts'

export type Claims = { readonly idToken: JsonObject; readonly userinfo?: JsonObject }
export type ClaimRules = Pick<
  ProviderConfig,
  'name_claim' | 'name_pattern' | 'name_lower' | 'groups_claim' | 'default_groups' | 'require' | 'acr_values'
>

export type Mapped = { readonly steps: readonly string[] } & (
  | { readonly kind: 'person'; readonly name: LoginName; readonly groups: readonly string[] }
  | { readonly kind: 'refused'; readonly problem: ClaimProblem }
)
export type ClaimProblem = 'name-missing' | 'name-unfit' | 'claim-required' | 'acr-missing'

/** More groups than this are too many for one answer; a group's name is a word that can be printed. */
const mostGroups = 500
const groupShape = /^[^\s\p{C}]{1,255}$/u

export function mapClaims(claims: Claims, rules: ClaimRules): Mapped {
  const steps: string[] = []
  const refused = (problem: ClaimProblem): Mapped => ({ kind: 'refused', problem, steps })
  for (const { pointer, value } of rules.require) {
    const found = look(claims, pointer)
    steps.push(`${written(pointer)} must be ${quoted(value)}: ${found === undefined ? 'missing' : shown(found)}`)
    if (!isPlain(found) || String(found) !== value) return refused('claim-required')
  }
  if (rules.acr_values.length > 0) {
    const acr = claims.idToken['acr']
    steps.push(`acr must be one of ${rules.acr_values.join(' ')}: ${acr === undefined ? 'missing' : shown(acr)}`)
    if (typeof acr !== 'string' || !rules.acr_values.includes(acr)) return refused('acr-missing')
  }
  const name = nameOf(claims, rules, steps)
  if (name === undefined) return refused('name-missing')
  const login = parseLoginName(name)
  if (login === undefined || login === 'root') {
    steps.push(`${quoted(name)} cannot be an account: 1 to 32 of a-z 0-9 _ - . and a letter or _ first, and not root`)
    return refused('name-unfit')
  }
  return { kind: 'person', name: login, groups: groupsOf(claims, rules, steps), steps }
}

function nameOf(claims: Claims, rules: ClaimRules, steps: string[]): string | undefined {
  const found = look(claims, rules.name_claim)
  steps.push(`${written(rules.name_claim)}: ${found === undefined ? 'missing' : shown(found)}`)
  if (typeof found !== 'string' || found.length > 256) return undefined
  const lower = rules.name_lower ? found.toLowerCase() : found
  if (rules.name_pattern === undefined) return lower
  const part = rules.name_pattern.exec(lower)?.[1]
  steps.push(`name_pattern: ${part === undefined ? 'does not match' : `gives ${quoted(part)}`}`)
  return part
}

function groupsOf(claims: Claims, rules: ClaimRules, steps: string[]): readonly string[] {
  const groups = new Set<string>()
  for (const pointer of rules.groups_claim) {
    const found = look(claims, pointer)
    const names = found === undefined ? [] : namesIn(found)
    const fit = names.map((name) => name.replace(/^\//, '')).filter((name) => groupShape.test(name))
    steps.push(`${written(pointer)}: ${found === undefined ? 'missing' : `${fit.length} of ${names.length} usable`}`)
    for (const name of fit) groups.add(name)
  }
  // Entra ID leaves long lists out and says where they could be asked for.
  const elsewhere = claims.idToken['_claim_names']
  if (elsewhere !== undefined) steps.push(`the provider left claims out (_claim_names): ${shown(elsewhere)}`)
  for (const name of rules.default_groups) groups.add(name)
  const sorted = [...groups].toSorted()
  if (sorted.length > mostGroups) steps.push(`only the first ${mostGroups} of ${sorted.length} groups count`)
  return sorted.slice(0, mostGroups)
}

/**
 * A text with names between semicolons or commas, a list of texts or of objects with value or name, or an object whose
 * members are the groups. A blank is part of a name: "not docker" are not two groups.
 */
function namesIn(found: Json): readonly string[] {
  if (typeof found === 'string') {
    const names = found.split(found.includes(';') ? ';' : ',').map((name) => name.trim())
    return names.filter((name) => name !== '' && !name.includes(','))
  }
  if (typeof found !== 'object' || found === null) return []
  if (!isList(found)) return Object.keys(found)
  return found.flatMap((item) => {
    if (typeof item === 'string') return [item]
    if (typeof item !== 'object' || item === null || isList(item)) return []
    const name = [item['value'], item['name'], item['display']].find((text) => typeof text === 'string')
    return typeof name === 'string' ? [name] : []
  })
}

function look({ idToken, userinfo }: Claims, { source, path }: Pointer): Json | undefined {
  const inToken = source === 'userinfo' ? undefined : follow(idToken, path)
  if (inToken !== undefined || source === 'id_token') return inToken
  return userinfo && follow(userinfo, path)
}

function follow(object: JsonObject, path: readonly string[]): Json | undefined {
  let found: Json | undefined = object
  for (const part of path) {
    if (typeof found !== 'object' || found === null) return undefined
    if (isList(found)) found = /^(0|[1-9]\d{0,5})$/.test(part) ? found[Number(part)] : undefined
    else found = Object.hasOwn(found, part) ? found[part] : undefined
  }
  return found
}

const isList = (value: readonly Json[] | JsonObject): value is readonly Json[] => Array.isArray(value)
const isPlain = (value: Json | undefined): boolean =>
  typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number'

const written = ({ source, path }: Pointer): string => {
  const text = path.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
  return source === 'both' ? text : `${source}:${text}`
}
const quoted = (text: string): string => JSON.stringify(text.slice(0, 100))
const shown = (value: Json): string => {
  const text = JSON.stringify(value)
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}
