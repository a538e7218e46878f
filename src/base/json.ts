// JSON as json-c prints it with JSON_C_TO_STRING_SPACED: blanks inside every bracket and a backslash before every
// slash. The C implementation's sealed entries look like this, so entries written here are the same to the byte.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [name: string]: Json }

export function formatJsonC(value: Json): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isList(value)) return bracketed('[', value.map(formatJsonC), ']')
  const members = Object.entries(value).map(([name, member]) => `${quoted(name)}: ${formatJsonC(member)}`)
  return bracketed('{', members, '}')
}

const isList = (value: readonly Json[] | JsonObject): value is readonly Json[] => Array.isArray(value)

const bracketed = (left: string, items: readonly string[], right: string): string =>
  items.length === 0 ? `${left} ${right}` : `${left} ${items.join(', ')} ${right}`

const quoted = (text: string): string => JSON.stringify(text).replaceAll('/', '\\/')

/** The object that this text is, or undefined. Members keep their order. */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    const value: Json = JSON.parse(text)
    return typeof value === 'object' && value !== null && !isList(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The member when it has the wanted type; with another type it counts as absent. */
export const textMember = (object: JsonObject, name: string): string | undefined => {
  const value = Object.hasOwn(object, name) ? object[name] : undefined
  return typeof value === 'string' ? value : undefined
}

export const wholeMember = (object: JsonObject, name: string): number | undefined => {
  const value = Object.hasOwn(object, name) ? object[name] : undefined
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

export const flagMember = (object: JsonObject, name: string): boolean | undefined => {
  const value = Object.hasOwn(object, name) ? object[name] : undefined
  return typeof value === 'boolean' ? value : undefined
}

/** Texts of a list; what is no text is left out. Undefined when the member is no list. */
export const textsMember = (object: JsonObject, name: string): readonly string[] | undefined => {
  const value = Object.hasOwn(object, name) ? object[name] : undefined
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : undefined
}
