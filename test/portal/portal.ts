// A stand-in for a LemonLDAP::NG portal with its PAM, ssh and device plugins: a function from Request to Response.
// It answers as a real one was seen to answer, faults included; contract.test.ts holds it to the recorded exchanges.
import { type Control, createControl, type LoggedRequest } from './control.ts'
import { type Exchange, readExchange } from './exchange.ts'
import { createFaults, throughFault } from './faults.ts'
import { deviceRequest, tokenRequest } from './grants.ts'
import { discovery, introspect, keySet, oidcUser, revoke } from './oidc.ts'
import { demandLogin, devicePage, menu, portal, tokenPage } from './pages.ts'
import { authorize, heartbeat, userinfo, verify } from './pam.ts'
import * as ssh from './ssh.ts'
import { createState, nowSeconds, type PortalOptions } from './state.ts'

type Route = (exchange: Exchange) => Response | Promise<Response>

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['GET /', portal],
  ['POST /', portal],
  ['GET /.well-known/openid-configuration', discovery],
  ['GET /oauth2/jwks', keySet],
  ['POST /oauth2/device', deviceRequest],
  ['POST /oauth2/token', tokenRequest],
  ['POST /oauth2/introspect', introspect],
  ['POST /oauth2/revoke', revoke],
  ['GET /oauth2/userinfo', oidcUser],
  ['POST /oauth2/userinfo', oidcUser],
  ['GET /device', devicePage],
  ['POST /device', devicePage],
  ['GET /pam', tokenPage],
  ['POST /pam', tokenPage],
  ['POST /pam/verify', verify],
  ['POST /pam/authorize', authorize],
  ['POST /pam/userinfo', userinfo],
  ['POST /pam/heartbeat', heartbeat],
  ['POST /pam/bastion-token', ssh.bastionToken],
  ['POST /pam/bastion-cert', ssh.bastionCertificate],
  ['GET /ssh/ca', ssh.authority],
  ['GET /ssh/revoked', ssh.revocations],
  ['GET /ssh/mycerts', ssh.ownCertificates],
  ['GET /ssh/certs', ssh.allCertificates],
  ['POST /ssh/sign', ssh.signKey],
  ['POST /ssh/myrevoke', ssh.revokeOwn],
  ['POST /ssh/revoke', ssh.revokeAny],
])

// A path without a route is no 404: the portal offers its login page, or its menu to those who are logged in.
const fallback: Route = (exchange) => (exchange.session === undefined ? demandLogin(exchange) : menu(exchange))

export type Portal = {
  readonly handle: (request: Request) => Promise<Response>
  readonly control: Control
}

export const createPortal = (options: PortalOptions): Portal => {
  const state = createState(options)
  const log: LoggedRequest[] = []
  const faults = createFaults()
  const handle = async (request: Request): Promise<Response> => {
    // Before the body: Bun forgets the content type it derived from one, once that is consumed.
    const headers = new Headers(request.headers)
    const text = await request.text()
    const exchange = readExchange(state, { method: request.method, url: request.url, headers }, text)
    log.push({
      method: exchange.method,
      path: exchange.path,
      query: exchange.query.toString(),
      headers: Object.fromEntries(headers),
      body: text,
      time: nowSeconds(state),
    })
    const route = routes.get(`${exchange.method} ${exchange.path}`) ?? fallback
    return throughFault(faults.take(exchange.path), request.signal, async () => route(exchange))
  }
  return { handle, control: createControl(state, log, faults) }
}
