// The kinds of addresses that a key can have: of the portal, of a webhook, of a proxy, of another service.
import { parseList, value } from './value-types.ts'

const address =
  /^https?:\/\/([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(\/[\x21-\x22\x24-\x3e\x40-\x5b\x5d-\x7e]*)?$/
const encodedControl = /%(?:[01]|7f)/i

function parseAddress(text: string): string | undefined {
  if (text.length > 512 || !address.test(text) || !URL.canParse(text)) return undefined
  if (text.includes('%') && encodedControl.test(text)) return undefined
  let end = text.length
  while (text[end - 1] === '/') end--
  return text.slice(0, end)
}

export const portalAddress = () =>
  value('an https:// address of at most 512 characters, without user, query, fragment or control characters', (text) =>
    text.startsWith('https://') ? parseAddress(text) : undefined,
  )

/** Addresses of portals, one or more. */
export const addressList = () =>
  value('https:// addresses without user, query and fragment, separated by blanks or commas', (text) =>
    parseList(text.split(/[\s,]+/), (item) => (item.startsWith('https://') ? parseAddress(item) : undefined)),
  )

export const secureAddress = () =>
  value('an https:// address of at most 512 characters, without user, query and fragment', (text) =>
    text.startsWith('https://') ? parseAddress(text) : undefined,
  )

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

// A secret path or query is common in such addresses, a user and password is not.
export const webhookAddress = () =>
  value(
    'an https:// address (http:// only on this host), of at most 512 characters, without user and fragment',
    (text) => {
      if (text.length > 512 || !/^https?:\/\/[!-~]+$/.test(text) || !URL.canParse(text)) return undefined
      const { protocol, hostname, username, password, hash, href } = new URL(text)
      if (username !== '' || password !== '' || hash !== '' || /%(?:[01]|7f)/i.test(text)) return undefined
      return protocol === 'https:' || loopback.test(hostname) ? href : undefined
    },
  )

/** The address of a service of ours; http:// only on this host. */
export const serviceAddress = () =>
  value(
    'an https:// address (http:// only on this host) of at most 512 characters, without user, query, fragment or ' +
      'control characters',
    (text) => {
      const parsed = parseAddress(text)
      return parsed && (parsed.startsWith('https://') || loopback.test(new URL(parsed).hostname)) ? parsed : undefined
    },
  )

// An address with a password is refused: messages would show the password.
export const proxyAddress = () =>
  value('http://HOST:PORT or https://HOST:PORT, without user and path', (text) => {
    const parsed = parseAddress(text)
    return parsed && !parsed.includes('/', 'https://'.length) ? parsed : undefined
  })
