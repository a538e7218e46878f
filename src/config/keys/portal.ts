// Keys about the portal and the way to it.

import { portalAddress, proxyAddress } from '../address-types.ts'
import { key, optional, required } from '../key.ts'
import { onlyTrue, path, pinList, secret, tlsVersion, whole } from '../value-types.ts'

export const portalKeys = {
  portal_url: required(() => ({
    schema: portalAddress(),
    says: 'Address of the LemonLDAP::NG portal. The only key that must be set, unless weblogin_url is.',
    section: 'portal',
    example: 'https://auth.example.com',
  })),
  timeout: key(10, () => ({
    schema: whole(1, 20, ': the whole login must end well inside sshd’s LoginGraceTime'),
    says: 'How long one request to the portal may take.',
    section: 'portal',
    unit: 'seconds',
  })),
  verify_ssl: key(true, () => ({
    schema: onlyTrue(),
    says: 'Kept for old files. Checking the portal’s certificate cannot be switched off.',
    section: 'portal',
  })),
  ca_cert: optional(() => ({
    schema: path(),
    says: 'PEM file of the certificate authorities to trust instead of the system’s.',
    section: 'portal',
    example: '/etc/ssl/certs/company-ca.pem',
  })),
  min_tls_version: key(13, () => ({
    schema: tlsVersion(),
    says: 'Lowest TLS version spoken with the portal.',
    section: 'portal',
  })),
  cert_pin: key([], () => ({
    schema: pinList(),
    says: 'Accept only a portal certificate with one of these public keys, besides checking it as usual.',
    section: 'portal',
    example: 'sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  })),
  request_signing_secret: optional(() => ({
    schema: secret(),
    says: 'Key of the HMAC-SHA256 signature on every request to the portal. Not set: requests are not signed.',
    section: 'portal',
    secret: true,
  })),
  proxy: optional(() => ({
    schema: proxyAddress(),
    says: 'Proxy between this host and the portal. Not set: none. Proxies named in the environment are never used.',
    section: 'portal',
    example: 'http://proxy.example.com:3128',
    since: '0.1',
  })),
}
