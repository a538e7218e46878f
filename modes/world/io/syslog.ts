// Messages for the administrator in the system's log (syslog(3)).
import type { SyslogPriority } from '../../../src/base/world.ts'
import { sendDatagram } from './datagram.ts'

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const LOG_AUTH = 4 << 3
const priorities: Record<SyslogPriority, number> = { err: 3, warning: 4, notice: 5, info: 6, debug: 7 }

export function syslog(priority: SyslogPriority, text: string): void {
  // RFC 3164 §4.1.2, the day padded with a space; in UTC, because the first look at the local time zone takes 7 ms.
  const [, month, day, time] = /^\d+-(\d+)-(\d+)T([\d:]+)/.exec(new Date().toISOString()) ?? []
  const stamp = `${months[Number(month) - 1]} ${day?.replace(/^0/, ' ')} ${time}`
  const tag = `ob[${process.pid}]`
  const message = `<${LOG_AUTH | priorities[priority]}>${stamp} ${tag}: ${text}`
  if (sendDatagram('/dev/log', new TextEncoder().encode(message)) === undefined) log(priority, tag, text)
}

/** Through logger(1), which waits for a slow reader, but never longer than this. Milliseconds. */
const longest = 500

function log(priority: SyslogPriority, tag: string, text: string): void {
  try {
    Bun.spawnSync(['/usr/bin/logger', '--priority', `auth.${priority}`, '--tag', tag], {
      env: {},
      // Every user can see the arguments of a program.
      stdin: new TextEncoder().encode(text.replaceAll('\n', ' ')),
      stdout: 'ignore',
      stderr: 'ignore',
      timeout: longest,
      killSignal: 'SIGKILL',
    })
  } catch {
    // As where no process listens.
  }
}
