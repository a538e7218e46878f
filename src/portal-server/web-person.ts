// What a person does here: look at a login that waits, answer it, and see and end what they allowed.

import { approvalsOf, revokeApproval, revokeApprovals } from './approvals.ts'
import { shortId } from './audit-format.ts'
import { type Browser, readForm, setCookie } from './browser.ts'
import type { ServiceContext } from './context.ts'
import { parseHandle } from './identifiers-format.ts'
import {
  codePage,
  donePage,
  errorPage,
  gonePage,
  mePage,
  otherPage,
  type Page,
  refusedPage,
  requestPage,
  signInPage,
} from './pages.ts'
import { type BrowserSession, endAtProvider, endSession, sessionsOf } from './sessions.ts'
import { findTransaction, makeCode, refuseTransaction, type Transaction } from './transactions.ts'
import type { WebAnswer } from './web-login.ts'

const shown = (page: Page, status = 200): WebAnswer => ({ kind: 'page', status, page })

/** GET /w/HANDLE. Nothing changes by looking: a mail scanner that follows the address does no harm. */
export async function showRequest(context: ServiceContext, browser: Browser, written: string): Promise<WebAnswer> {
  const { page, session } = browser
  const handle = parseHandle(written)
  const transaction = handle === undefined ? undefined : await findTransaction(context, handle)
  if (!transaction || handle === undefined) return shown(gonePage(page), 404)
  if (!session) return shown(signInPage(page, providersOf(context), handle))
  if (!isFor(transaction, session)) return shown(otherPage(page, session), 403)
  if (mustSignInAgain(context, session)) return shown(signInPage(page, providersOf(context), handle))
  switch (transaction.state) {
    case 'waiting':
      return shown(requestPage(page, context.config, { transaction, handle }))
    case 'coded':
      return shown(codePage(page, transaction, handle))
    case 'confirmed':
      return shown(donePage(page))
    case 'refused':
      return shown(refusedPage(page))
  }
}

/** POST /w/HANDLE: one of the two buttons. */
export async function answerRequest(context: ServiceContext, browser: Browser, written: string): Promise<WebAnswer> {
  const { page, session } = browser
  const handle = parseHandle(written)
  const form = handle === undefined ? undefined : await readForm(context, browser, `decide ${handle}`)
  if (!form || !session || handle === undefined) return shown(errorPage(page, page.texts.startAgain), 403)
  const transaction = await findTransaction(context, handle)
  if (!transaction) return shown(gonePage(page), 404)
  const where = {
    ...{ user: session.name, host: transaction.host, service: transaction.service, rhost: transaction.rhost },
    ...{ issuer: session.issuer, subject: session.subject, address: browser.caller.address },
    transaction: shortId(transaction.id),
  }
  if (!isFor(transaction, session)) {
    context.audit('WEBLOGIN_NOT_YOURS', where)
    return shown(otherPage(page, session), 403)
  }
  if (form.get('decision') === 'confirm' && !mustSignInAgain(context, session)) {
    const wish = { session, remember: form.get('remember') === '1' }
    if (await makeCode(context, transaction, wish)) context.audit('WEBLOGIN_CODE_SHOWN', where)
  } else if (form.get('decision') === 'refuse' && (await refuseTransaction(context, transaction, session))) {
    context.metrics.count('ob_portal_weblogin_total', 'not-me')
    context.audit('WEBLOGIN_REFUSED', { ...where, reason: 'not-me' })
  }
  return { kind: 'redirect', to: `/w/${handle}` }
}

/** The person that the request names; once somebody answered it, that very person. */
function isFor(transaction: Transaction, session: BrowserSession): boolean {
  if (transaction.login !== '' && transaction.login !== session.name) return false
  return transaction.issuer === '' || (transaction.issuer === session.issuer && transaction.subject === session.subject)
}

/** max_age counts for each answer, not only for the sign-in. */
function mustSignInAgain({ providers, now }: ServiceContext, session: BrowserSession): boolean {
  const provider = providers.get(session.provider)
  // A provider that was taken out of portal.conf vouches for nobody any more.
  if (provider?.config.issuer !== session.issuer) return true
  const { max_age } = provider.config
  return max_age !== undefined && now() - session.authTime > max_age + slack(max_age)
}

/** Who signed in just now must have the time to press the button, even where max_age is 0. */
const slack = (maxAge: number): number => (maxAge < 300 ? 300 : 0)

const providersOf = ({ providers }: ServiceContext) => [...providers.values()].map(({ config }) => config)

export async function showMe(context: ServiceContext, { page, session }: Browser): Promise<WebAnswer> {
  if (!session) return shown(signInPage(page, providersOf(context), ''))
  return shown(mePage(page, await approvalsOf(context, session), await sessionsOf(context, session)))
}

/** POST /me/approvals, /me/sessions, /me/everything, /sign-out. */
export async function changeMe(context: ServiceContext, browser: Browser, path: string): Promise<WebAnswer> {
  const { page, session } = browser
  const form = await readForm(context, browser, path === '/sign-out' ? 'sign-out' : path)
  if (!form || !session) return shown(errorPage(page, page.texts.startAgain), 403)
  const id = form.get('id') ?? ''
  const who = { user: session.name, issuer: session.issuer, subject: session.subject }
  const gone = [setCookie(context.config.base_url, 'session', '', 0)]
  switch (path) {
    case '/me/approvals':
      if (await revokeApproval(context, session, id)) context.audit('APPROVAL_REVOKED', { ...who, reason: 'by-person' })
      return { kind: 'redirect', to: '/me' }
    case '/me/sessions':
      await endSession(context, session, id)
      context.audit('SIGN_OUT', who)
      return { kind: 'redirect', to: '/me' }
    case '/me/everything':
      await revokeApprovals(context, session.name)
      await endAtProvider(context, { issuer: session.issuer, subject: session.subject, sid: undefined })
      context.audit('SIGN_OUT', { ...who, reason: 'everywhere' })
      return { kind: 'redirect', to: '/', cookies: gone }
    default:
      await endSession(context, session, session.id)
      context.audit('SIGN_OUT', who)
      return { kind: 'redirect', to: '/', cookies: gone }
  }
}
