// The real network: Bun's fetch with every environment-driven weakness named and shut.
import type { TlsOptions } from '../../../src/base/world.ts'
import { codeOf } from '../files/errno.ts'

export async function tlsFetch(
  url: string,
  init: RequestInit,
  tls: TlsOptions,
  proxy: string | undefined,
): Promise<Response> {
  const checks = tls.pins.length > 0 ? { checkServerIdentity: await pinned(tls.pins) } : {}
  const options = {
    ...init,
    redirect: 'manual',
    // Without these, HTTPS_PROXY and NODE_TLS_REJECT_UNAUTHORIZED would be obeyed.
    proxy: proxy ?? false,
    tls: { ca: tls.ca, minVersion: tls.minVersion, rejectUnauthorized: true, ...checks },
  }
  // Bun's types know neither `proxy: false` nor `minVersion`; the artefact tests prove both.
  return fetch(url, options as unknown as BunFetchRequestInit)
}

export async function probeTcp(host: string, port: number, signal: AbortSignal): Promise<string | undefined> {
  if (signal.aborted) return 'ETIMEDOUT'
  const { promise: late, resolve } = Promise.withResolvers<string>()
  signal.addEventListener('abort', () => resolve('ETIMEDOUT'), { once: true })
  return Promise.race([late, connectOnce(host, port)])
}

async function connectOnce(host: string, port: number): Promise<string | undefined> {
  try {
    const socket = await Bun.connect({ hostname: host, port, socket: { data: () => undefined } })
    socket.terminate()
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

type Certificate = import('node:tls').PeerCertificate

/**
 * Refuses a server whose key matches no pin. It replaces Bun's own host check, so it does that too (RFC 9525, RFC
 * 7469).
 */
async function pinned(pins: readonly string[]) {
  const [{ checkServerIdentity }, { X509Certificate, createHash }] = await Promise.all([
    import('node:tls'),
    import('node:crypto'),
  ])
  return (host: string, certificate: Certificate): Error | undefined => {
    const wrongHost = checkServerIdentity(host, certificate)
    if (wrongHost) return wrongHost
    const key = new X509Certificate(certificate.raw).publicKey.export({ type: 'spki', format: 'der' })
    const pin = `sha256//${createHash('sha256').update(key).digest('base64')}`
    if (pins.includes(pin)) return undefined
    return Object.assign(new Error('the public key of the portal matches no pin'), { code: 'PIN_MISMATCH' })
  }
}
