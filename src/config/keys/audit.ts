// Keys of the audit log.
import { key } from '../key.ts'
import { level, path, toggle } from '../value-types.ts'

export const auditKeys = {
  audit_enabled: key(true, () => ({
    schema: toggle(),
    says: 'Write one JSON line for every decision.',
    section: 'audit',
  })),
  audit_log_file: key('/var/log/open-bastion/audit.json', () => ({
    schema: path(),
    says: 'File the audit lines are appended to.',
    section: 'audit',
  })),
  audit_to_syslog: key(true, () => ({
    schema: toggle(),
    says: 'Send the audit lines to syslog as well.',
    section: 'audit',
  })),
  audit_level: key('auth', () => ({
    schema: level(['critical', 'auth', 'all']),
    says: 'Which decisions are written: critical ones, those about logins too, or all.',
    section: 'audit',
  })),
  audit_required: key(false, () => ({
    schema: toggle(),
    says: 'Refuse a login whose audit line can be written nowhere.',
    section: 'audit',
    since: '0.1',
  })),
  log_level: key('warn', () => ({
    schema: level(['error', 'warn', 'info', 'debug']),
    says: 'How much is said in syslog besides audit lines. It never changes what is checked.',
    section: 'audit',
  })),
}
