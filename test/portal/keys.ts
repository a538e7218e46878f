// Key material of the stand-in portal, made for these tests and used nowhere else: fixed, so that a portal starts at
// once.
import { generateKeyPairSync } from 'node:crypto'

const rsa = {
  kty: 'RSA',
  n: 'yPV-LHRImcVB0MkECyjmxBEwpNJeQOE3bApk54UwHo4DExUoB6dIZ9rkLddgmrdSIDdZCQDfdTL3ZjNpz2YhvcBb_leUcFdCU3Z9NoiIbIH8U62XPC9CvNL6vR3z7i8YC6UNcwLoxDjIaTuQOQMBWszV2KMm2XQ-cQP3rc0jTu1LVEeuX5SyHpV-MTOBG0IbWJTeFn6Im8LNo-abqspbIrS1dQxJqiIEjC3s9Q03y0JER8bINRHDWnDyChHZPLF-9BSUXNpTnOMoPLSsvJbhumY3PdJwUie66s-0n-xoGKEtmRjMnLVXQ3EWT0g7pq8_LV802Vf7sxO9Yy1IgngKtw',
  e: 'AQAB',
  d: 'VgGfSQZRhiJCu0k05lPQg-x5fakdNrZNAnvmWKILiKAt165vzeq91dj8XFQ336-Cwg_-FpjdiirQcFijueRTn4LivFWeTYBC_jaRe1Pu00XEiMmcFuGBNhAzyNm3auKT73Pp8CW4GjbVKxiXbpcHLuXIxil5eIrEKJlSmPtZV6766T_P7tMDaMweyB58J-0oJwUFoKUYJHsxsfrIRzWypUZQheHlPYbRGWAwg0bP5UZ1VNzJ_q2CsqvwPkiEkCBXB80v1-ynVvtXJuqoVIuHNwvf6FZt1FzEKKkpHEKEqntuVI-9Ep6OwhozzeKSV-CCoc5x4pJL05ndQbDBgkqs8Q',
  p: '_lAR85rF8RPtYXNe3NGHC6pW9Vkvk_RSAxIY-YjqIWndYTTI2R9CL86VYGOrC0bRiZ3FfamGNSJeVQRWLFVrOqqxOo54gJXOgjMgj5uuxuW80fE8VwiFQtutyIgVL6f2gIMfG8jzZL22r-ozTUs6InXhCiZayUhDWs19BmZmPlE',
  q: 'ykrOOP1zWV-wRWjSzNXyWikJGUQ3xTYC2Y34WHajlQZTWD8zbNLsOEdHgtRkLPtmKLg7pp1PlmB_7cWc-4gYDO4JvXj3eA_Lm7CHF3_3VeHMnOKw9UmzxOQp_PJrK6veUGjtB8EleETHySA6e3Pn1aMSA5ueGmjTvsIebdPozoc',
  dp: 'kxmViKb539x67mdhc7DuwFyjN_-Ceb5UwdnyAESlyPYHS3bQxmZCTozb8ok0Iq2v_j34QhuQuaNLlTmQ7svp3mFlak2Gfjoo3T7dkrOmgP3aHkW_dUhEbMvM1bWBK7On7eXqVJQD1T23MkHxsr_UvKIarVhKIytdamR58P3CHkE',
  dq: 'rhLfEIVw3CiOW7wPIbq9OL51GOvt_eMzYphba2xz6You8BI6o1uBcBBORhOUPGz9BO88TWyzDtjtXOMe6ge7gmzXrtbIROV6tPeb2CoC4UFTvHEKC5kne7dHNmY4uLTFsnYH-hNHtg2hyb3U9WTQy7LujnI8A8fO5ijO3H1sqUM',
  qi: 'xKxKxHlN4AWoxZhe7ndB9UUzuENWjFxHIkqVr2B6v4W1p2_9QLXt0LU4HG2bxZNJgPBereO3LUSk_gb6gub6N0jLF2ifPbZjO68IkYkIrbO1uSorG3WminhVQgb4rO9oineY424WHCh4vGjWidVWcOXQ1k6ERDc9iUA2vIcrpdg',
}

const ec = {
  kty: 'EC',
  x: 'CN9Rvi3uj4wuH6bUthzQuWcPB2C6vMyZVebrRRcX7wA',
  y: 'XTakMPzgCKuqwwRp2ugulFuEnYJhj5YCLu4Z7F-LTD4',
  crv: 'P-256',
  d: '59fwBMqB9B-VKkk-WgBPXPyUcypN3TA3wWzFzqnqd7g',
}

/** Signs id tokens, JWT access tokens and bastion tokens. */
export const rsaKey = { ...rsa, kid: 'rsa-1', alg: 'RS256' }
export const ecKey = { ...ec, kid: 'ec-1', alg: 'ES256' }

export const rsaThumbprint = '3smGGCQbpwHE_r_MGtqPvb6DrPM'

/** As published on /oauth2/jwks: the RSA key with its certificate, the EC key without. */
export const publicKeys = [
  {
    kty: 'RSA',
    use: 'sig',
    kid: 'rsa-1',
    e: rsa.e,
    n: rsa.n,
    x5t: rsaThumbprint,
    x5c: [
      'MIIDFzCCAf+gAwIBAgIUFNXKt5zAq6/d6YXPTtYkXywH6P8wDQYJKoZIhvcNAQELBQAwGjEYMBYGA1UEAwwPc3RhbmQtaW4gcG9ydGFsMCAXDTI2MTEyMjAyMTAwM1oYDzIxMjYxMDI5MDIxMDAzWjAaMRgwFgYDVQQDDA9zdGFuZC1pbiBwb3J0YWwwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQDI9X4sdEiZxUHQyQQLKObEETCk0l5A4TdsCmTnhTAejgMTFSgHp0hn2uQt12Cat1IgN1kJAN91MvdmM2nPZiG9wFv+V5RwV0JTdn02iIhsgfxTrZc8L0K80vq9HfPuLxgLpQ1zAujEOMhpO5A5AwFazNXYoybZdD5xA/etzSNO7UtUR65flLIelX4xM4EbQhtYlN4Wfoibws2j5puqylsitLV1DEmqIgSMLez1DTfLQkRHxsg1EcNacPIKEdk8sX70FJRc2lOc4yg8tKy8luG6Zjc90nBSJ7rqz7Sf7GgYoS2ZGMyctVdDcRZPSDumrz8tXzTZV/uzE71jLUiCeAq3AgMBAAGjUzBRMB0GA1UdDgQWBBTkQlfeA/bjRA09pk70iMzHXgG1tjAfBgNVHSMEGDAWgBTkQlfeA/bjRA09pk70iMzHXgG1tjAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQAT4qpRYRADmF9CnCLHCPJUGhOcUKhVR0wnw4BQtiC/ilcpWpEqgj/0HlPSwDrdDOLptNgxzlfUmKaXhb3QM963R37V3vwCf8ASF5WL5jD/PWHTuuD/EFkR1Zc0UFk035apikoUQPZy2uItdv5KNdDX4doBxavqD/Oa+qN27yYChhNAI/i4d9YbQezrqhiAG4KsE66+Y3UU4skFocar6U5PJTlDaxITPDjvVgagx35WNeDr9q+n5enIOSUzIMEa7aLBxs6eRGO1mxUrPHlPD6u5T5DrjFWNLe8nYuctT0/PErVi65b7CTP3jwlHF3Q+82ll1XXvcyWda5pSOwmEGq8x',
    ],
  },
  { kty: 'EC', use: 'sig', kid: 'ec-1', crv: 'P-256', x: ec.x, y: ec.y },
]

/** A new key for bastion tokens, made now. */
export function newRsaKey(kid: string) {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  return { ...(jwk as typeof rsa), kid, alg: 'RS256' }
}

/** As it is published. */
export const publicOf = ({ kty, kid, n, e }: typeof rsaKey) => ({ kty, use: 'sig', kid, e, n })

/** The ssh certificate authority. */
export const authorityKey = {
  crv: 'Ed25519',
  d: 'oQgdbiLNfhSC41ZCOe0w55Ue4PgOgBsBa8G4BnOwFbA',
  x: 'UX-dBaOkVe_iuuxyGCICCW3hZuTz9cz91x6p3CYSDeI',
  kty: 'OKP',
}
