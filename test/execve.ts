// `bun test/execve.ts PROGRAM ENV-AS-JSON ARGUMENT …`: execve(2) with exactly this environment, duplicates and all, which
// no shell and no map can hold.
import { dlopen, ptr } from 'bun:ffi'

const [program = '', environment = '[]', ...args] = process.argv.slice(2)
const libc = dlopen('libc.so.6', { execve: { args: ['ptr', 'ptr', 'ptr'], returns: 'i32' } }).symbols

const kept: Uint8Array[] = []
const text = (value: string): number => {
  const bytes = new TextEncoder().encode(`${value}\0`)
  kept.push(bytes)
  return Number(ptr(bytes))
}
const vector = (values: readonly string[]): BigUint64Array =>
  BigUint64Array.from([...values.map((value) => BigInt(text(value))), 0n])

const argv = vector([program, ...args])
const envp = vector(JSON.parse(environment) as string[])
const path = new TextEncoder().encode(`${program}\0`)
libc.execve(ptr(path), ptr(argv), ptr(envp))
process.exit(98)
