// The pages that a person sees. They work without script; each text that came from outside goes through a template that
// escapes it, and nothing here decides anything.

import { html } from 'hono/html'
import { nearness } from './addresses-policy.ts'
import { type Approval, approvalSeconds } from './approvals.ts'
import { formatCode } from './identifiers-format.ts'
import type { BrowserSession } from './sessions.ts'
import type { ProviderConfig, ServiceConfig } from './settings.ts'
import { clockTime, dateTime, duration, type Texts } from './texts.ts'
import type { Transaction } from './transactions.ts'

/** Made by a template, so what was put into it is escaped: the only way text becomes a page. */
type Html = ReturnType<typeof html>

export type PageContext = {
  readonly texts: Texts
  readonly now: number
  /** Of the browser; empty when it is not known. */
  readonly address: string
  readonly session: BrowserSession | undefined
  /** Proof for a form of this session that does this. */
  readonly formToken: (purpose: string) => string
}

export type Page = { readonly title: string; readonly body: Html }

export function layout({ texts, session, formToken }: PageContext, { title, body }: Page): Html {
  return html`<!doctype html>
<html lang="${texts.lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} – ${texts.product}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><strong>${texts.product}</strong>${
    session
      ? html`<span>${texts.signedInAs(session.name)} · <a href="/me">${texts.yourPage}</a></span>
<form method="post" action="/sign-out"><input type="hidden" name="form" value="${formToken('sign-out')}">
<button>${texts.signOut}</button></form>`
      : ''
  }</header>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`
}

export function signInPage(
  { texts }: PageContext,
  providers: readonly Pick<ProviderConfig, 'name' | 'label'>[],
  handle: string,
): Page {
  const links = providers.map(
    ({ name, label }, at) =>
      html`<a class="button ${at === 0 ? 'first' : ''}" data-provider="${name}" href="/login/${name}${
        handle === '' ? '' : `?w=${handle}`
      }">${texts.signInWith(label ?? name)}</a>`,
  )
  return {
    title: texts.signIn,
    body: html`<p>${handle === '' ? texts.signInMe : texts.signInLead}</p><div class="buttons">${links}</div>`,
  }
}

const serviceName = ({ service }: Transaction): string => (/^sshd?$/.test(service) ? 'ssh' : service)

/** The facts of a login and two buttons, of which the first and default one stops it. */
export function requestPage(
  context: PageContext,
  config: Pick<ServiceConfig, 'approval_max'>,
  { transaction, handle }: { readonly transaction: Transaction; readonly handle: string },
): Page {
  const { texts, now, address, formToken } = context
  const service = serviceName(transaction)
  const { keyType, host } = transaction
  const lead = service === 'ssh' ? texts.requestLead(host) : texts.requestLeadOther(service, host)
  const browserAt = address === '' ? '' : html`<small>${texts.thisBrowser(address)}</small>`
  const age = Math.max(0, Math.floor(now - transaction.createdAt))
  const isFar = nearness(address, transaction.rhost) === 'other'
  const seconds = approvalSeconds(config, transaction)
  const place =
    transaction.hostGroup === '' ? texts.placeHost(transaction.host) : texts.placeGroup(transaction.hostGroup)
  const body = html`<p>${lead}</p>
${isFar ? html`<p class="note"><strong>${texts.warning}.</strong> ${texts.networkDiffers}</p>` : ''}
<dl>
<dt>${texts.server}</dt><dd class="host">${transaction.host}</dd>
<dt>${texts.account}</dt><dd>${transaction.login || transaction.account}</dd>
<dt>${texts.what}</dt><dd>${service === 'ssh' ? texts.whatSsh : texts.whatOther(service)}</dd>
${transaction.rhost === '' ? '' : html`<dt>${texts.from}</dt><dd>${transaction.rhost}${browserAt}</dd>`}
${transaction.keyFingerprint === '' ? '' : html`<dt>${texts.key}</dt><dd>${transaction.keyFingerprint} ${keyType}</dd>`}
<dt>${texts.started}</dt><dd>${clockTime(transaction.createdAt)}, ${texts.ago(age)}</dd>
</dl>
<p>${texts.phishing}</p>
<form method="post" action="/w/${handle}">
<input type="hidden" name="form" value="${formToken(`decide ${handle}`)}">
<div class="buttons">
<button class="first" name="decision" value="refuse">${texts.notMe}</button>
${seconds > 0 ? rememberBox(texts.remember(duration(seconds), place)) : ''}
<button name="decision" value="confirm">${service === 'ssh' ? texts.wasMeSsh : texts.wasMeOther(service)}</button>
</div>
</form>`
  return { title: texts.requestTitle, body }
}

const rememberBox = (text: string): Html =>
  html`<label class="choice"><input type="checkbox" name="remember" value="1"><span>${text}</span></label>`

export function codePage({ texts, now, formToken }: PageContext, transaction: Transaction, handle: string): Page {
  const left = Math.floor(transaction.codeExpiresAt - now)
  if (left > 0 && transaction.code !== undefined)
    return {
      title: texts.codeTitle,
      body: html`<p>${texts.codeLead}</p>
<output id="code">${formatCode(transaction.code)}</output>
<p>${texts.codeValid(clockTime(transaction.codeExpiresAt), left)}</p>
<p class="note">${texts.codeSecret}</p>`,
    }
  return {
    title: texts.codeOld,
    body: html`<p>${texts.codeOldLead}</p>
<form method="post" action="/w/${handle}">
<input type="hidden" name="form" value="${formToken(`decide ${handle}`)}">
<div class="buttons">
<button class="first" name="decision" value="refuse">${texts.notMe}</button>
${transaction.remember ? html`<input type="hidden" name="remember" value="1">` : ''}
<button name="decision" value="confirm">${texts.codeAgain}</button>
</div></form>`,
  }
}

export const donePage = ({ texts }: PageContext): Page => ({
  title: texts.doneTitle,
  body: html`<p>${texts.doneLead}</p>`,
})

export const refusedPage = ({ texts }: PageContext): Page => ({
  title: texts.refusedTitle,
  body: html`<p>${texts.refusedLead}</p><p>${texts.refusedTries}</p>`,
})

export const gonePage = ({ texts }: PageContext): Page => ({
  title: texts.goneTitle,
  body: html`<p>${texts.goneLead}</p>`,
})

export const otherPage = ({ texts }: PageContext, session: BrowserSession): Page => ({
  title: texts.otherTitle,
  body: html`<p>${texts.otherLead(session.name)}</p><p>${texts.otherHint}</p>`,
})

export function mePage(
  { texts, session, formToken }: PageContext,
  approvals: readonly Approval[],
  sessions: readonly BrowserSession[],
): Page {
  const row = (
    action: string,
    id: string,
    what: { readonly text: Html; readonly button: string; readonly full: string },
  ) =>
    html`<li><div>${what.text}</div><form method="post" action="${action}">
<input type="hidden" name="form" value="${formToken(action)}"><input type="hidden" name="id" value="${id}">
<button aria-label="${what.full}">${what.button}</button></form></li>`
  const approvalRows = approvals.map((one) =>
    row('/me/approvals', one.id, {
      text: html`${one.hostGroup === '' ? one.host : texts.placeGroup(one.hostGroup)}
<small>${one.keyFingerprint}</small><small>${texts.from} ${one.network}</small>
<small>${texts.until} ${dateTime(one.expiresAt)}</small>`,
      button: texts.revoke,
      full: texts.revokeThis(one.keyFingerprint),
    }),
  )
  const sessionRows = sessions.map((one) =>
    row('/me/sessions', one.id, {
      text: html`${one.browser || '–'}${one.id === session?.id ? ` (${texts.thisOne})` : ''}
<small>${one.address} · ${texts.since} ${dateTime(one.createdAt)}</small>`,
      button: texts.end,
      full: texts.endThis(one.browser),
    }),
  )
  return {
    title: texts.meTitle,
    body: html`<h2>${texts.approvals}</h2><p>${texts.approvalsLead}</p>
${approvals.length === 0 ? html`<p>${texts.noApprovals}</p>` : html`<ul class="list">${approvalRows}</ul>`}
<h2>${texts.browsers}</h2><ul class="list">${sessionRows}</ul>
<form method="post" action="/me/everything"><input type="hidden" name="form" value="${formToken('/me/everything')}">
<div class="buttons"><button>${texts.endAll}</button></div></form>`,
  }
}

export const errorPage = ({ texts }: PageContext, text: string, back = '/'): Page => ({
  title: texts.errorTitle,
  body: html`<p>${text}</p><p><a class="button" href="${back}">${texts.back}</a></p>`,
})
