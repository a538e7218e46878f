// The portal as a person sees it: login, logout, the device page, the page that makes one-time tokens.
import { type Exchange, html, json, redirect, wantsJson } from './exchange.ts'
import { holds, newFormToken, newId, nowSeconds, type State } from './state.ts'

const page = (title: string, body: string): string =>
  `<!DOCTYPE html>
<html lang="en">
<head>
<title trspan="${title}">Authentication portal</title>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
</head>
<body>
${body}
</body>
</html>
`

const hidden = (name: string, value: string): string => `<input type="hidden" name="${name}" value="${value}" />`

const quote = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`)

const message = (code: number): string =>
  `<div class="message message-negative alert" role="alert"><span trmsg="${code}"></span></div>`

const loginPage = (exchange: Exchange, code?: number): string => {
  const { state, query, form } = exchange
  const target = quote(form.get('url') ?? query.get('url') ?? '')
  return page(
    'authPortal',
    `${code === undefined ? '' : message(code)}
<form id="lform" action="#" method="post" class="login" role="form">
    ${hidden('url', target)}
    <input type="hidden" name="timezone" />
    ${hidden('skin', 'bootstrap')}
<input type="hidden" id="token" name="token" value="${newFormToken(state)}" />
<div class="form">
  <label for="userfield"><span trspan="login" hidden></span></label>
  <input id="userfield" name="user" type="text" />
  <input id="passwordfield" name="password" type="password" />
  <button type="submit"><span trspan="connect">Connect</span></button>
</div>
</form>`,
  )
}

const errorPage = (code: number): string =>
  page(
    'error',
    `<div id="errorcontent" class="container">${message(code)}<span trspan="goToPortal">Go to portal</span></div>`,
  )

const refusedJson = (exchange: Exchange, error: string | number): Response =>
  json(
    exchange,
    401,
    { error, result: 0, token: newFormToken(exchange.state) },
    { 'www-authenticate': `SSO ${exchange.origin}/` },
  )

/** What anybody without a portal session gets, whatever the path: also for a path that does not exist. */
export const demandLogin = (exchange: Exchange): Response => {
  if (wantsJson(exchange)) return refusedJson(exchange, '9')
  if (exchange.method !== 'GET') return html(exchange, 200, loginPage(exchange))
  const query = exchange.query.size === 0 ? '' : `?${exchange.query}`
  const wanted = Buffer.from(`${exchange.origin}${exchange.path}${query}`).toString('base64')
  return redirect(exchange, `${exchange.origin}/?url=${encodeURIComponent(wanted)}`)
}

export const menu = (exchange: Exchange): Response =>
  html(
    exchange,
    200,
    page('authPortal', '<div id="menu" class="tab-content"><h3 trspan="yourApps">Your applications</h3></div>'),
  )

/** The virtual host's rule refuses this user: a page that redirects by script. */
export const forbidden = (exchange: Exchange): Response => {
  const target = `${exchange.origin}//lmerror/403`
  return html(
    exchange,
    403,
    `<body><script type="text/javascript">window.location='${target}'</script><h1>Please wait</h1><p>An error occurs, you're going to be redirected to <a href="${target}">${target}</a>.</p></body></html>`,
  )
}

export const openSession = (state: State, user: string): string => {
  const id = newId()
  state.sessions.set(id, { user })
  return id
}

const refuseLogin = (exchange: Exchange, code: number): Response =>
  wantsJson(exchange) ? refusedJson(exchange, code) : html(exchange, 200, loginPage(exchange, code))

const logIn = (exchange: Exchange): Response => {
  const { state, form } = exchange
  const name = form.get('user')
  if (name === null) return demandLogin(exchange)
  if (!state.formTokens.delete(form.get('token') ?? '')) return refuseLogin(exchange, form.has('token') ? 82 : 81)
  const user = state.users.get(name)
  if (user === undefined || user.password !== form.get('password')) return refuseLogin(exchange, 5)
  const id = openSession(state, name)
  const cookie = { 'set-cookie': `lemonldap=${id}; path=/; HttpOnly; SameSite=None; Secure` }
  if (wantsJson(exchange)) return json(exchange, 200, { error: '0', result: 1, id }, cookie)
  const target = Buffer.from(form.get('url') ?? '', 'base64').toString()
  return redirect(exchange, target.startsWith(`${exchange.origin}/`) ? target : `${exchange.origin}/`, cookie)
}

export const portal = (exchange: Exchange): Response => {
  if (exchange.session !== undefined && exchange.query.get('logout') === '1') {
    exchange.state.sessions.delete(exchange.session)
    return html(exchange, 200, page('logout', '<div id="logout">'.concat(message(47), '</div>')))
  }
  if (exchange.session !== undefined) {
    return wantsJson(exchange) ? json(exchange, 200, { error: '0', result: 1, id: exchange.session }) : menu(exchange)
  }
  if (exchange.method === 'POST') return logIn(exchange)
  return wantsJson(exchange) ? refusedJson(exchange, '9') : html(exchange, 200, loginPage(exchange))
}

const deviceForm = (exchange: Exchange, userCode: string, failed: boolean): string =>
  page(
    'authPortal',
    `<div id="logincontent" class="container">${failed ? message(84) : ''}
<form id="deviceform" action="${exchange.origin}/device" method="post" class="login" role="form">
        ${hidden('skin', 'bootstrap')}
        ${hidden('token', newFormToken(exchange.state))}
        <h3 class="card-title"><span trspan="deviceAuthorization">Device Authorization</span></h3>
        <input type="text" name="user_code" value="${quote(userCode)}" />
        <button name="action" value="approve" trspan="approve">Approve</button>
        <button name="action" value="deny" trspan="deny">Deny</button>
</form></div>`,
  )

const decided = (approved: boolean, clientId: string): string =>
  page(
    'authPortal',
    approved
      ? `<div id="logincontent" class="container"><span trspan="deviceApproved">Device Approved</span>
<p trspan="deviceApprovedMsg">The device has been authorized. You can close this window.</p>
<strong trspan="clientId">Client ID</strong>: ${clientId}</div>`
      : `<div id="logincontent" class="container"><span trspan="deviceDenied">Device Denied</span>
<p trspan="deviceDeniedMsg">The device authorization has been denied. You can close this window.</p></div>`,
  )

/** The pending device behind a user code, however it was typed. */
export const findDevice = (state: State, userCode: string) => {
  const typed = userCode.toUpperCase().replace(/[^A-Z]/g, '')
  return [...state.devices.values()].find(
    (device) =>
      device.userCode.replace('-', '') === typed &&
      device.verdict === 'pending' &&
      device.expiresAt > nowSeconds(state),
  )
}

export const devicePage = (exchange: Exchange): Response => {
  const { state, form, session, login } = exchange
  const user = state.users.get(login ?? '')
  if (session === undefined || login === undefined || user === undefined) return demandLogin(exchange)
  if (!user.admin) return forbidden(exchange)
  if (exchange.method === 'GET') {
    return html(exchange, 200, deviceForm(exchange, exchange.query.get('user_code') ?? '', false))
  }
  if (!state.formTokens.delete(form.get('token') ?? '')) {
    return html(exchange, 200, errorPage(form.has('token') ? 82 : 81))
  }
  const device = findDevice(state, form.get('user_code') ?? '')
  if (device === undefined) return html(exchange, 200, deviceForm(exchange, '', true))
  if (form.get('action') === 'deny') {
    device.verdict = 'denied'
    return html(exchange, 200, decided(false, device.clientId))
  }
  if (!holds(state.clients.get(device.clientId)?.approvers ?? true, login, user)) {
    return html(exchange, 200, errorPage(84))
  }
  device.verdict = 'approved'
  device.session = session
  return html(exchange, 200, decided(true, device.clientId))
}

/** Makes a one-time token. A duration that is no number is echoed, and such a token is born expired. */
export const mintToken = (state: State, user: string, duration: string): string => {
  const token = newId()
  const seconds = Number.parseInt(duration, 10)
  state.tokens.set(token, { user, expiresAt: nowSeconds(state) + (Number.isNaN(seconds) ? 0 : seconds) })
  return token
}

export const tokenPage = (exchange: Exchange): Response => {
  const { state, login } = exchange
  if (login === undefined) return demandLogin(exchange)
  if (exchange.method === 'GET') {
    return html(
      exchange,
      200,
      page(
        'authPortal',
        `<form id="pamTokenForm" class="mb-4"><label for="pamDuration" trspan="pamTokenDuration">Token validity</label>
<select id="pamDuration" name="duration"><option value="600" selected>10 minutes</option></select></form>`,
      ),
    )
  }
  const asked = exchange.form.get('duration') ?? exchange.query.get('duration') ?? '600'
  const duration = Number(asked) > 3600 ? '3600' : asked
  return json(exchange, 200, { token: mintToken(state, login, duration), login, expires_in: duration })
}
