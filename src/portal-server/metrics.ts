// Figures in the text format of Prometheus. Labels come from closed lists, so nobody can make more of them.

export type Metrics = {
  readonly count: (name: MetricName, label?: string) => void
  readonly format: (gauges: Readonly<Record<string, number>>) => string
}

const counters = {
  ob_portal_requests_total: { help: 'Requests answered, by the class of their status.', label: 'status' },
  ob_portal_weblogin_total: { help: 'Web logins, by what became of them.', label: 'result' },
  ob_portal_sign_ins_total: { help: 'Sign-ins at providers, by what became of them.', label: 'result' },
  ob_portal_hosts_refused_total: { help: 'Requests of hosts without a valid credential.', label: '' },
  ob_portal_faults_total: { help: 'Requests that this service could not answer.', label: '' },
} as const

export type MetricName = keyof typeof counters

export function openMetrics(): Metrics {
  const counts = new Map<string, number>()
  return {
    count: (name, label = '') => {
      const { label: labelName } = counters[name]
      const key = labelName === '' ? name : `${name}{${labelName}="${label.replaceAll(/[^\w-]/g, '')}"}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    },
    format: (gauges) => {
      const lines: string[] = []
      for (const [name, { help }] of Object.entries(counters)) {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`)
        const own = [...counts].filter(([key]) => key === name || key.startsWith(`${name}{`)).toSorted()
        lines.push(...own.map(([key, count]) => `${key} ${count}`))
      }
      for (const [name, value] of Object.entries(gauges)) lines.push(`# TYPE ${name} gauge`, `${name} ${value}`)
      return `${lines.join('\n')}\n`
    },
  }
}
