// What the drop-in of the mode says, against what sshd does: a file that is read before it wins.

import type { SshdSettings } from './sshd-settings-format.ts'

export type Override = {
  readonly file: string
  readonly keyword: string
  readonly wanted: string
  readonly found: string
  readonly forRoot: boolean
  readonly remedy: string
}

export type DropIn = {
  readonly file: string
  readonly everybody: ReadonlyMap<string, string>
  readonly root: ReadonlyMap<string, string>
}

/** Keywords and values before the first Match line, and those of `Match User root`. */
export function parseDropIn(file: string, text: string): DropIn {
  const everybody = new Map<string, string>()
  const root = new Map<string, string>()
  let section: Map<string, string> | undefined = everybody
  for (const raw of text.split('\n')) {
    const [, word = '', value = ''] = /^\s*([A-Za-z0-9]+)(?:\s+|\s*=\s*)(.*?)\s*$/.exec(raw) ?? []
    const keyword = word.toLowerCase()
    if (keyword === '') continue
    if (keyword === 'match')
      section = /^user\s+root$/i.test(value) ? root : /^all$/i.test(value) ? everybody : undefined
    else if (section && !section.has(keyword)) section.set(keyword, value)
  }
  return { file, everybody, root }
}

export function overridesOf(
  dropIn: DropIn,
  settings: { readonly portal: SshdSettings; readonly root: SshdSettings },
  isIncluded: boolean,
): readonly Override[] {
  const remedy = (keyword: string): string =>
    isIncluded
      ? `the first value wins: grep -rin ${keyword} /etc/ssh/sshd_config* shows it; remove it there`
      : 'make this the first line of /etc/ssh/sshd_config: Include /etc/ssh/sshd_config.d/*.conf'
  const against = (wanted: ReadonlyMap<string, string>, found: SshdSettings, forRoot: boolean): readonly Override[] =>
    [...wanted].flatMap(([keyword, value]) => {
      const values = found.get(keyword)
      const is = values?.join(' ')
      if (is === undefined || same(is, value)) return []
      return [{ file: dropIn.file, keyword, wanted: value, found: is, forRoot, remedy: remedy(keyword) }]
    })
  return [
    ...against(dropIn.everybody, settings.portal, false),
    ...against(new Map([...dropIn.everybody].filter(([key]) => !dropIn.root.has(key))), settings.root, true).filter(
      ({ keyword }) => !dropIn.root.has(keyword) && rootMatters.has(keyword),
    ),
    ...against(dropIn.root, settings.root, true),
  ]
}

/** Of what the drop-in says for everybody, what must hold for root as well. */
const rootMatters = new Set(['usepam'])

const same = (found: string, wanted: string): boolean => {
  const plain = (text: string): string => text.replaceAll('"', '').replace(/\s+/g, ' ').trim()
  const [left, right] = [plain(found), plain(wanted)]
  // sshd prints yes and no in small letters, and leaves other values as they are.
  return left === right || (/^(yes|no|none|any)$/i.test(right) && left.toLowerCase() === right.toLowerCase())
}

const kin: readonly (readonly string[])[] = [
  ['authenticationmethods', 'pubkeyauthentication', 'authorizedkeysfile'],
  ['authenticationmethods', 'pubkeyauthentication', 'kbdinteractiveauthentication', 'passwordauthentication'],
]

/** Whether a finding speaks of what this override changed. */
export function isOverridden({ keyword }: Override, message: string): boolean {
  if (message.includes(`${keyword} `)) return true
  return (
    (message.includes('authorizedkeysfile') && kin[0]!.includes(keyword)) ||
    (message.includes('have no way in') && kin[1]!.includes(keyword))
  )
}
