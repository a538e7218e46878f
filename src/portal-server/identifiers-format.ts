// The words of a web login as people and programs write them: host names, handles, sessions, codes.

/** RFC 1123 §2.1, in lower case. */
export function parseHostName(text: string): string | undefined {
  const name = text.toLowerCase()
  return name.length <= 253 && /^[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9][a-z0-9-]{0,62})*$/.test(name) ? name : undefined
}

export const parseHostGroup = (text: string): string | undefined => (/^[\w][\w.-]{0,63}$/.test(text) ? text : undefined)

export const parseHandle = (text: string): string | undefined =>
  /^[A-Z2-7]{13}$/i.test(text) ? text.toUpperCase() : undefined

export const isSession = (text: string): boolean => /^[\w-]{22}$/.test(text)

export const formatCode = (code: string): string => code.replace(/^(...)(...)(...)$/, '$1-$2-$3')

/** The letters of what was typed; what is no code at all is the empty text, which equals none. */
export function readCode(typed: string): string {
  const code = typed.toUpperCase().replaceAll(/[\s-]/g, '')
  return /^[BCDFGHJKLMNPQRSTVWXZ]{9}$/.test(code) ? code : ''
}
