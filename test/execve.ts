// `bun test/execve.ts [--no-jit] PROGRAM ENV-AS-JSON ARGUMENT …`: execve(2) with exactly this environment, duplicates
// and all, which no shell and no map can hold; with --no-jit in a process that makes no memory executable, nor do its
// children (prctl(2), PR_SET_MDWE, Linux 6.3). 97: this kernel cannot. 98: there is no such program.
import { dlopen, ptr } from 'bun:ffi'

const given = process.argv.slice(2)
const isHardened = given[0] === '--no-jit'
const [program = '', environment = '[]', ...args] = given.slice(isHardened ? 1 : 0)
const libc = dlopen('libc.so.6', {
  execve: { args: ['ptr', 'ptr', 'ptr'], returns: 'i32' },
  prctl: { args: ['i32', 'u64', 'u64', 'u64', 'u64'], returns: 'i32' },
}).symbols

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
const PR_SET_MDWE = 65
if (isHardened && libc.prctl(PR_SET_MDWE, 1, 0, 0, 0) !== 0) process.exit(97)
libc.execve(ptr(path), ptr(argv), ptr(envp))
process.exit(98)
