// What `sshd -T` prints: one lower-case keyword and its value a line, after every Include and default (sshd(8)).

export type SshdSettings = ReadonlyMap<string, readonly string[]>

export function parseSshdSettings(text: string): SshdSettings {
  const settings = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const match = /^([a-z0-9]+) (.*)$/.exec(line.trim())
    if (!match) continue
    const values = settings.get(match[1]!) ?? []
    values.push(match[2]!)
    settings.set(match[1]!, values)
  }
  return settings
}
