// Random PAM services for the model to be held against libpam: pam_debug answers as its arguments say.
import fc from 'fast-check'
import { type PamValue, pamValues } from '../../src/health/pam-control-format.ts'
import type { ModuleLine } from '../../src/health/pam-stack-policy.ts'
import type { Answer } from '../../src/health/pam-walk-policy.ts'

export type Files = Readonly<Record<string, string>>

// "incomplete" makes libpam stop in the middle and wait to be called again, which no program of ours does.
const values = pamValues.filter((value) => value !== 'incomplete')
const common: readonly PamValue[] = ['success', 'success', 'success', 'ignore', 'auth_err', 'new_authtok_reqd']
const value = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...common) }, fc.constantFrom(...values))

const action = fc.oneof(
  fc.constantFrom('ok', 'done', 'bad', 'die', 'ignore', 'reset'),
  fc.integer({ min: 0, max: 4 }).map(String),
)
const pairs = fc
  .array(fc.tuple(fc.oneof(value, fc.constantFrom('default', 'success')), action), { minLength: 1, maxLength: 4 })
  .map((list) => `[${list.map(([name, what]) => `${name}=${what}`).join(' ')}]`)
const control = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('required', 'requisite', 'sufficient', 'optional', 'REQUIRED', 'optional') },
  { weight: 4, arbitrary: pairs },
  {
    weight: 1,
    arbitrary: fc.constantFrom('[success=1 default=ignore]', '[success=ok,default=die]', 'needed', '[success=okay]'),
  },
)
const type = fc.constantFrom('auth', 'auth', 'account', 'account', 'session')

const module = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(value, value, value)
      .map(([auth, cred, acct]) => `pam_debug.so auth=${auth} cred=${cred} acct=${acct}`),
  },
  { weight: 2, arbitrary: fc.constantFrom('pam_permit.so', 'pam_deny.so', 'pam_not_there.so') },
  { weight: 1, arbitrary: fc.constantFrom('pam_exec.so quiet /bin/true', 'pam_exec.so quiet type=account /bin/false') },
)
const moduleLine = fc
  .tuple(fc.constantFrom('', '', '', '-'), type, control, module, fc.constantFrom('', ' # a remark', ' \\\n  quiet'))
  .map(([dash, kind, how, what, end]) => `${dash}${kind} ${how} ${what}${what.startsWith('pam_exec') ? '' : end}`)
const strange = fc.constantFrom('frobnicate required pam_permit.so', 'auth required', '', '# a remark')

/** Lines of which some draw in another file. */
const body = (others: readonly string[]) =>
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: moduleLine },
      { weight: 1, arbitrary: strange },
      {
        weight: others.length > 0 ? 4 : 0,
        arbitrary: fc
          .tuple(type, fc.constantFrom('include', 'substack', '@include'), fc.constantFrom(...others, 'no-such-file'))
          .map(([kind, how, file]) =>
            how === '@include' ? `@include ${file === 'no-such-file' ? others[0] : file}` : `${kind} ${how} ${file}`,
          ),
      },
    ),
    { minLength: 1, maxLength: 6 },
  )

/** A service and the files that it includes, once it has a name. */
export const randomService: fc.Arbitrary<(name: string) => Files> = fc
  .tuple(body([]), body(['NAME-a']), body(['NAME-a', 'NAME-b']))
  .map(([a, b, own]) => (name) => {
    const text = (lines: readonly string[]): string => `${lines.join('\n').replaceAll('NAME', name)}\n`
    const ends = 'auth optional pam_permit.so\naccount optional pam_permit.so\n'
    return { [`${name}-a`]: text(a), [`${name}-b`]: text(b), [name]: `${text(own)}${ends}` }
  })

const argument = (line: ModuleLine, name: string): PamValue => {
  const word = line.args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1)
  return (word as PamValue | undefined) ?? 'success'
}

/** What the modules of such a service answer. */
export const answersAsWritten =
  (type: 'auth' | 'account') =>
  (line: ModuleLine): Answer => {
    const same = (value: PamValue, cred: PamValue = value): Answer => ({ value, cred })
    switch (line.module) {
      case 'pam_debug.so':
        return same(argument(line, type === 'auth' ? 'auth' : 'acct'), argument(line, 'cred'))
      case 'pam_permit.so':
        return same('success')
      case 'pam_deny.so':
        return same('auth_err', 'cred_err')
      case 'pam_exec.so': {
        const isAsked = !line.args.includes('type=account') || type === 'account'
        const isTrue = line.args.includes('/bin/true')
        return same(isAsked ? (isTrue ? 'success' : 'system_err') : 'ignore', 'ignore')
      }
      default:
        return same('module_unknown')
    }
  }

/** pam_strerror(3), without a locale. */
export const pamTexts: ReadonlyMap<PamValue, string> = new Map([
  ['success', 'Success'],
  ['abort', 'Critical error - immediate abort'],
  ['open_err', 'Failed to load module'],
  ['symbol_err', 'Symbol not found'],
  ['service_err', 'Error in service module'],
  ['system_err', 'System error'],
  ['buf_err', 'Memory buffer error'],
  ['perm_denied', 'Permission denied'],
  ['auth_err', 'Authentication failure'],
  ['cred_insufficient', 'Insufficient credentials to access authentication data'],
  ['authinfo_unavail', 'Authentication service cannot retrieve authentication info'],
  ['user_unknown', 'User not known to the underlying authentication module'],
  ['maxtries', 'Have exhausted maximum number of retries for service'],
  ['new_authtok_reqd', 'Authentication token is no longer valid; new one required'],
  ['acct_expired', 'User account has expired'],
  ['session_err', 'Cannot make/remove an entry for the specified session'],
  ['cred_unavail', 'Authentication service cannot retrieve user credentials'],
  ['cred_expired', 'User credentials expired'],
  ['cred_err', 'Failure setting user credentials'],
  ['no_module_data', 'No module specific data is present'],
  ['bad_item', 'Bad item passed to pam_*_item()'],
  ['conv_err', 'Conversation error'],
  ['authtok_err', 'Authentication token manipulation error'],
  ['authtok_recover_err', 'Authentication information cannot be recovered'],
  ['authtok_lock_busy', 'Authentication token lock busy'],
  ['authtok_disable_aging', 'Authentication token aging disabled'],
  ['try_again', 'Failed preliminary check by password service'],
  ['ignore', 'The return value should be ignored by PAM dispatch'],
  ['module_unknown', 'Module is unknown'],
  ['authtok_expired', 'Authentication token expired'],
  ['conv_again', 'Conversation is waiting for event'],
  ['incomplete', 'Application needs to call libpam again'],
])
