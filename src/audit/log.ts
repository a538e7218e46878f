// One event for every decision: a JSON line in a file, and a line for syslog.

import { orElse } from '../base/fault.ts'
import { dirname } from '../base/text.ts'
import type { Parts, SyslogPriority } from '../base/world.ts'
import type { Config } from '../config/load.ts'
import { type AuditEvent, eventLevel, formatAuditLine, formatSyslogText } from './event-format.ts'

export type Audit = {
  /** Writes the event; false when it should have been written and could be written nowhere. */
  readonly write: (event: AuditEvent) => boolean
}

export type AuditConfig = Pick<Config, 'audit_enabled' | 'audit_log_file' | 'audit_to_syslog' | 'audit_level'>

/** Used when the configuration itself cannot be read: a broken host must still write its log. */
export const fallbackAudit: AuditConfig = {
  audit_enabled: true,
  audit_log_file: '/var/log/open-bastion/audit.json',
  audit_to_syslog: true,
  audit_level: 'auth',
}

const levels = { critical: 0, auth: 1, all: 2 } as const

export function openAudit(world: Parts<'files' | 'syslog'>, config: AuditConfig): Audit {
  return {
    write: (event) => {
      if (!config.audit_enabled || eventLevel(event.event_type) > levels[config.audit_level]) return true
      const filed = appendLine(world, config.audit_log_file, formatAuditLine(event))
      if (config.audit_to_syslog || !filed) world.syslog(priorityOf(event.event_type), formatSyslogText(event))
      return filed
    },
  }
}

function appendLine(world: Parts<'files' | 'syslog'>, path: string, line: string): boolean {
  return orElse(
    () => {
      world.files.makeDirectory(dirname(path), 0o750)
      world.files.append(path, `${line}\n`, 0o640)
      return true
    },
    (fault) => {
      world.syslog('err', fault.message)
      return false
    },
  )
}

// As the C implementation, so that filters of syslog go on working.
function priorityOf(eventType: string): SyslogPriority {
  if (/_(FAILURE|DENIED)$/.test(eventType)) return 'warning'
  if (/^(CONFIG|SECURITY|SERVER)_ERROR$|^RATE_LIMITED$/.test(eventType)) return 'err'
  return 'info'
}
