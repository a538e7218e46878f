// Puts the parts of a web login together: the driver that the configuration names, and the records of this connection.
import { Fault } from '../base/fault.ts'
import type { Secret } from '../base/secret.ts'
import type { Parts } from '../base/world.ts'
import { type Config, groupOf } from '../config/load.ts'
import { openPortal } from '../portal-client/endpoints.ts'
import type { HttpSettings } from '../portal-client/http.ts'
import { openPortalHttp } from '../portal-client/portal-http.ts'
import { openTokens } from '../portal-client/server-token.ts'
import { secretFor } from '../secrets/resolve.ts'
import { openModuleDriver } from './module-driver.ts'
import { type HostCredential, openPortalDriver, type Post } from './portal-driver.ts'
import type { WebService } from './service.ts'

export type WebWorld = Parts<'now' | 'timeout' | 'fetch' | 'random' | 'hostname' | 'files' | 'keyring' | 'syslog'>

/** The service that weblogin names, reached but not yet asked. */
export async function openWebService(world: WebWorld, config: Config): Promise<WebService> {
  const base = config.weblogin_url ?? config.portal_url
  const post = postTo(world, config, base)
  switch (config.weblogin) {
    case 'portal':
      return openPortalDriver({
        post,
        credential: await credentialOf(world, config),
        now: world.now,
        host: world.hostname(),
        group: groupOf(config),
      })
    case 'pam-weblogin':
      return openModuleDriver({
        post,
        token: await tokenOf(world, config),
        attribute: config.weblogin_attribute,
        issuer: base,
      })
    case 'llng':
      return openTokenPage(config.weblogin_url ?? `${config.portal_url}/pam`)
    case 'off':
      throw new Fault('ob weblogin is in the PAM stack, and weblogin is off', {
        hint: 'set weblogin in openbastion.conf, or install another stack of pam.d/',
      })
  }
}

/** The page of LemonLDAP::NG that shows one-time tokens. Nothing is started there; the auth phase checks the token. */
const openTokenPage = (url: string): WebService => ({
  keepsApprovals: false,
  countsTries: true,
  start: async () => ({ kind: 'started', session: 'one-time-token', url, secondsLeft: 900 }),
  check: async () => {
    throw new Fault('a one-time token is checked by the auth phase')
  },
})

async function tokenOf(world: WebWorld, config: Config): Promise<Secret> {
  const token = await secretFor(world, config, 'weblogin_token')
  if (token) return token
  throw new Fault('weblogin_token is not set, and the service of pam-weblogin knows hosts by nothing else', {
    hint: 'run: ob weblogin import',
  })
}

function postTo(world: WebWorld, config: Config, base: string): Post {
  const http = openPortalHttp(world, config, settingsFor(config, base))
  return (path, authorization, body) =>
    http({
      method: 'POST',
      url: base + path,
      headers: { 'content-type': 'application/json', authorization },
      body: JSON.stringify(body),
    })
}

/** What is configured of the portal's certificate says nothing about another service. */
function settingsFor(config: Config, base: string): HttpSettings {
  const isPortal = config.portal_url !== '' && new URL(base).origin === new URL(config.portal_url).origin
  const { min_tls_version, proxy, timeout } = config
  const ca = config.weblogin_ca_cert ?? (isPortal ? config.ca_cert : undefined)
  return {
    ca_cert: ca,
    cert_pin: isPortal ? config.cert_pin : [],
    min_tls_version,
    proxy,
    timeout,
    peer: {
      name: 'the web login',
      hint: 'if it is the right one, check weblogin_ca_cert, min_tls_version and weblogin_url',
      caKey: config.weblogin_ca_cert === undefined && isPortal ? 'ca_cert' : 'weblogin_ca_cert',
    },
  }
}

async function credentialOf(world: WebWorld, config: Config): Promise<HostCredential> {
  const own = await secretFor(world, config, 'weblogin_token')
  if (own) return { read: async () => own }
  if (config.portal_url === '')
    throw new Fault('weblogin_token is not set, and this host is enrolled at no portal', {
      hint: 'set weblogin_token to what the service gave this host: ob secret set weblogin_token',
    })
  const tokens = openTokens(world, config)
  const { heartbeat } = openPortal(world, config, openPortalHttp(world, config), tokens)
  return {
    read: async () => tokens.read().accessToken,
    renew: async (refused: Secret) => {
      const renewed = await tokens.renew(refused, heartbeat)
      if (renewed.kind === 'token') return renewed.accessToken
      return renewed.kind === 'out-of-order' ? { kind: 'garbled', detail: renewed.detail } : renewed
    },
  }
}
