// The PAM stacks, sshd snippets and sudoers file that come with the program: the very files of pam.d/ and packaging/.
import { formatSample } from '../../src/config/print.ts'
import type { Stock } from '../../src/setup/plan-policy.ts'

type Text = Promise<{ readonly default: string }>
type Texts = readonly [sshd: () => Text, sudo: () => Text, snippet: () => Text]

const modes: Readonly<Record<string, Texts>> = {
  a: [
    () => import('../../pam.d/mode-a.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-a.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-a.conf', { with: { type: 'text' } }),
  ],
  b: [
    () => import('../../pam.d/mode-b.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-b.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-b.conf', { with: { type: 'text' } }),
  ],
  c: [
    () => import('../../pam.d/mode-c.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-c.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-c.conf', { with: { type: 'text' } }),
  ],
  d: [
    () => import('../../pam.d/mode-d.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-d.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-d.conf', { with: { type: 'text' } }),
  ],
  e: [
    () => import('../../pam.d/mode-e.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-e.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-e.conf', { with: { type: 'text' } }),
  ],
  f: [
    () => import('../../pam.d/mode-f.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-f.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-f.conf', { with: { type: 'text' } }),
  ],
  g: [
    () => import('../../pam.d/mode-g.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-g.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-g.conf', { with: { type: 'text' } }),
  ],
  k: [
    () => import('../../pam.d/mode-k.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-k.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-k.conf', { with: { type: 'text' } }),
  ],
  ag: [
    () => import('../../pam.d/mode-ag.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-ag.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-ag.conf', { with: { type: 'text' } }),
  ],
  cg: [
    () => import('../../pam.d/mode-cg.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-cg.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-cg.conf', { with: { type: 'text' } }),
  ],
  eg: [
    () => import('../../pam.d/mode-eg.sshd', { with: { type: 'text' } }),
    () => import('../../pam.d/mode-eg.sudo', { with: { type: 'text' } }),
    () => import('../../packaging/ssh/mode-eg.conf', { with: { type: 'text' } }),
  ],
}

export const stockModes: readonly string[] = Object.keys(modes)

/** The texts of one mode; undefined when there is no such mode. */
export async function stockOf(mode: string): Promise<Stock | undefined> {
  const texts = Object.hasOwn(modes, mode) ? modes[mode] : undefined
  if (!texts) return undefined
  const sudoers = import('../../packaging/sudoers/open-bastion', { with: { type: 'text' } })
  const [sshdStack, sudoStack, snippet, list] = await Promise.all([texts[0](), texts[1](), texts[2](), sudoers])
  return {
    sshdStack: sshdStack.default,
    sudoStack: sudoStack.default,
    snippet: snippet.default,
    sudoers: list.default,
    sample: formatSample(),
  }
}
