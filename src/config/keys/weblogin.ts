// Keys of the login in a web browser: the person opens an address, logs in there, and types a code back.

import { serviceAddress } from '../address-types.ts'
import { key, optional } from '../key.ts'
import { choice, path, personList, secret, toggle, whole, words } from '../value-types.ts'

export const webloginKeys = {
  weblogin: key('off', () => ({
    schema: choice(['off', 'portal', 'pam-weblogin', 'llng']),
    says:
      'Which service the stacks with ob weblogin ask: ob portal; a service for the module pam-weblogin, such as ' +
      'SRAM; or the page of the LemonLDAP::NG portal that shows one-time tokens.',
    section: 'weblogin',
    example: 'portal',
    since: '0.2',
  })),
  weblogin_url: optional(() => ({
    schema: serviceAddress(),
    says:
      'Address of that service. Not set: portal_url, and for llng its page /pam. With pam-weblogin it must be set: ' +
      'it is the url of /etc/security/pam-weblogin.conf.',
    section: 'weblogin',
    example: 'https://login.example.com',
    since: '0.2',
  })),
  weblogin_token: optional(() => ({
    schema: secret(),
    says: 'What this host proves itself with at that service. Not set: the token of its enrollment at the portal.',
    section: 'weblogin',
    secret: true,
    since: '0.2',
  })),
  weblogin_ca_cert: optional(() => ({
    schema: path(),
    says: 'PEM file of the certificate authorities to trust for weblogin_url instead of the system’s.',
    section: 'weblogin',
    example: '/etc/ssl/certs/company-ca.pem',
    since: '0.2',
  })),
  weblogin_qr_code: key<boolean>(true, () => ({
    schema: toggle(),
    says: 'Show the address of the web login as a QR code too. Clients without UTF-8 print it as numbers.',
    section: 'weblogin',
    since: '0.2',
  })),
  weblogin_attribute: key('username', () => ({
    schema: words(),
    says: 'pam-weblogin only: the attribute of a person that holds the login name.',
    section: 'weblogin',
    since: '0.2',
  })),
  weblogin_without_key: key(false, () => ({
    schema: toggle(),
    says:
      'pam-weblogin only: let people in over ssh with its code alone, without an ssh key. Its codes are four digits, ' +
      'they can be guessed before anybody logs in.',
    section: 'weblogin',
    since: '0.2',
  })),
  weblogin_approval: key(0, () => ({
    schema: whole(0, 86_400),
    says:
      'How long a web login counts for further ssh connections of the same user from the same address with the same ' +
      'proven key. 0: every connection needs its own. 28800 (8 hours) suits sftp, editors and scripts. Never for sudo.',
    section: 'weblogin',
    unit: 'seconds',
    since: '0.2',
  })),
  weblogin_allow: key([], () => ({
    schema: personList(true),
    says:
      'Without portal_url: who may log in after a web login. USER, %GROUP of the web login, or * for everybody whom ' +
      'the service confirms. Not set: nobody.',
    section: 'weblogin',
    example: 'alice, %operators',
    since: '0.2',
  })),
  weblogin_sudo: key([], () => ({
    schema: personList(false),
    says: 'Without portal_url: who may sudo after a web login for it: USER, %GROUP of the web login. Not set: nobody.',
    section: 'weblogin',
    example: '%administrators',
    since: '0.2',
  })),
}
