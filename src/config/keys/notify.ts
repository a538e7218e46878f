// Keys of webhooks.

import { webhookAddress } from '../address-types.ts'
import { key, optional } from '../key.ts'
import { eventList, path, secret, toggle } from '../value-types.ts'

export const notifyKeys = {
  notify_enabled: key(false, () => ({
    schema: toggle(),
    says: 'Tell notify_url about the events in notify_events. Needs the timer that runs ob heartbeat.',
    section: 'notify',
  })),
  notify_url: optional(() => ({
    schema: webhookAddress(),
    says: 'Where events are sent by POST. It is reached directly, never through proxy.',
    section: 'notify',
    example: 'https://hooks.example.com/ob',
  })),
  notify_secret: optional(() => ({
    schema: secret(),
    says: 'Key of the HMAC-SHA256 signature on every event. Not set: events are not signed.',
    section: 'notify',
    secret: true,
  })),
  notify_events: key(['RATE_LIMITED', 'SECURITY_ERROR', 'BREAK_GLASS', 'CONFIG_ERROR', 'AUTHZ_DENIED'], () => ({
    schema: eventList(),
    says: 'Audit events that are sent. AUTH_DENIED is another word for AUTH_FAILURE, of which there are many.',
    section: 'notify',
    since: '0.2',
  })),
  notify_ca_cert: optional(() => ({
    schema: path(),
    says: 'PEM file of the certificate authorities to trust for notify_url instead of the system’s.',
    section: 'notify',
    example: '/etc/ssl/certs/company-ca.pem',
    since: '0.2',
  })),
}

export const notifyAliases = {
  notify: 'notify_enabled',
  webhook_url: 'notify_url',
  webhook_secret: 'notify_secret',
} as const
