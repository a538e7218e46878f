// ob proxy: from this bastion to another host. ob serve has the portal vouch for the user; the proof goes into a
// certificate for a key that lives as long as this hop; then this process becomes the stock ssh, scp, sftp or rsync.
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { Fault } from '../../src/base/fault.ts'
import { allowed, denied } from '../../src/base/outcome.ts'
import { paths } from '../../src/base/paths.ts'
import type { World } from '../../src/base/world.ts'
import { type HopKey, makeCarrier, openHopKey } from '../../src/bastion/carrier.ts'
import { findDestination, parseSshArguments, type Tool } from '../../src/bastion/ssh-arguments-format.ts'
import { formatVouchCall, parseTarget, parseVouchMessage, type VouchReply } from '../../src/bastion/vouch-format.ts'
import { formatKeyLine } from '../../src/ssh/certificate-format.ts'
import { parsePublicKey, parsePublicKeyLine } from '../../src/ssh/wire.ts'
import { type Ending, ended, type Mode, usage } from '../run/mode.ts'
import { requestMessage } from '../world/io/unix-request.ts'
import { become } from '../world/process/exec.ts'
import { inheritedEnvironment } from '../world/system.ts'

export const syntax = {
  name: 'proxy',
  summary:
    'Go on from this bastion to another host, vouched for by the portal. Without scp, sftp or rsync before them, the ' +
    'arguments are those of ssh; the host may have its port after a colon. For ProxyCommand: ob proxy -W %h:%p PATH, ' +
    'and IdentityAgent PATH beside it.',
  args: {
    arguments: {
      type: 'positional',
      description: '[ssh options] [user@]host[:port] [command …], or: scp|sftp|rsync and its arguments',
    },
  },
} as const

const tools: readonly Tool[] = ['scp', 'sftp', 'rsync']

export const mode: Mode = {
  run: async (args, world) => {
    const [first] = args
    if (first === undefined || first === '--help')
      return usage('ob proxy [ssh options] [user@]host[:port] [command …], or: ob proxy scp|sftp|rsync …')
    const tool = tools.find((name) => name === first)
    const through = parseThrough(args)
    const plan = through ? { lookup: ['--', through.host] } : tool ? planTool(tool, args.slice(1)) : planSsh(args)
    if ('problem' in plan) return refuse(world, plan.problem)
    const place = await resolve(world, plan.lookup)
    if (!place) return refuse(world, 'ssh does not understand these arguments; ssh -G with the same ones says why')
    const seed = world.random(32)
    const key = await openHopKey(seed)
    const reply = await ask(world, place.host, key)
    if (!reply) return refuse(world, notServed)
    if (reply.kind === 'refused') return refuse(world, reply.text)
    if (reply.user !== place.user) return refuse(world, `you are ${reply.user} here; nobody vouches for ${place.user}`)
    const certificate = await certificateOf(reply, key, world.random(32))
    const directory = privateDirectory(world)
    writeFileSync(`${directory}/hop.pub`, `${formatKeyLine(certificate)}\n`, { mode: 0o600 })
    await startAgent({ seed, certificate, directory })
    if (!('argv' in plan)) return carry(world, through!, directory)
    return become(`/usr/bin/${plan.program}`, plan.argv(optionsFor(directory)), inheritedEnvironment())
  },
}

const notServed =
  'ob serve does not answer on this host, so nobody vouches for you; its administrator can set serve_hops = true and ' +
  'run: systemctl enable --now ob-serve'

function refuse(world: World, text: string): Ending {
  world.stderr(`ob proxy: ${text}\n`)
  return ended(denied('gave-up'))
}

type Through = { readonly host: string; readonly port: number; readonly agent: string }

/** `-W host:port PATH`, for ProxyCommand: the ssh that asks for it finds the key of the hop with IdentityAgent PATH. */
function parseThrough(args: readonly string[]): Through | undefined {
  const [flag, where = '', agent = '', ...more] = args
  const match = /^\[?([^[\]]+?)\]?:(\d{1,5})$/.exec(where)
  if (flag !== '-W' || !match || !agent.startsWith('/') || more.length > 0) return undefined
  return { host: match[1]!, port: Number(match[2]), agent }
}

/** The agent at the path that ssh knows, and standard input and output to the host and back. */
async function carry(world: World, { host, port, agent }: Through, directory: string): Promise<Ending> {
  symlinkSync(`${directory}/agent`, `${directory}/link`)
  renameSync(`${directory}/link`, agent)
  const { connect } = await import('node:net')
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connect({ host, port })
  socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.name))
  socket.on('close', () => resolve(undefined))
  process.stdin.pipe(socket)
  socket.pipe(process.stdout)
  const problem = await promise
  return problem === undefined ? ended(allowed('done')) : refuse(world, `no connection to ${host} (${problem})`)
}

type Plan = {
  readonly program: string
  /** Arguments of `ssh -G`, which says where they lead. */
  readonly lookup: readonly string[]
  readonly argv: (options: readonly string[]) => readonly string[]
}

function planSsh(args: readonly string[]): Plan | { readonly problem: string } {
  const parsed = parseSshArguments(args)
  if ('problem' in parsed) return parsed
  const { options, destination, command } = parsed
  const tail = [...options, '--', destination, ...command]
  return { program: 'ssh', lookup: tail, argv: (ours) => ['ssh', ...ours, ...tail] }
}

function planTool(tool: Tool, args: readonly string[]): Plan | { readonly problem: string } {
  const destination = findDestination(tool, args)
  if (typeof destination !== 'string') return destination
  const argv = (ours: readonly string[]) =>
    tool === 'rsync' ? ['rsync', '-e', ['ssh', ...ours].join(' '), ...args] : [tool, ...ours, ...args]
  return { program: tool, lookup: ['--', destination], argv }
}

/** Where ssh would go, and as whom: aliases, ports and users of its own configuration are its own business. */
async function resolve(world: World, lookup: readonly string[]) {
  const { code, stdout } = await world.spawn(['/usr/bin/ssh', '-G', ...lookup], { limit: 1 << 20 })
  const said = (name: string): string => new RegExp(`^${name} (.+)$`, 'm').exec(stdout)?.[1] ?? ''
  const host = parseTarget(said('hostname'))
  return code === 0 && host !== undefined ? { host, user: said('user') } : undefined
}

const waitSeconds = 30

async function ask(world: World, host: string, key: HopKey): Promise<VouchReply | undefined> {
  const message = await requestMessage(
    paths.hopSocket,
    formatVouchCall(host, formatKeyLine(key.blob)),
    world.timeout(waitSeconds),
  )
  return message && parseVouchMessage(message)
}

async function certificateOf(reply: VouchReply, key: HopKey, nonce: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  if (reply.kind === 'token') return makeCarrier(key, { token: reply.text, user: reply.user, nonce })
  const parsed = parsePublicKeyLine(reply.text)
  if ('problem' in parsed) throw new Fault('the portal made a certificate that cannot be read')
  return Uint8Array.from(parsed.key.blob)
}

/** This user's alone: the socket of the agent and the certificate, which is public. No secret is ever in it. */
function privateDirectory(world: World): string {
  const own = `/run/user/${world.userId}`
  const isOwn = statSync(own, { throwIfNoEntry: false })?.uid === world.userId
  for (const base of [...(isOwn ? [own] : []), '/dev/shm', '/tmp']) {
    const made = tryDirectory(world, base)
    if (made !== undefined) return made
  }
  throw new Fault('there is no place for the socket of an agent: /dev/shm and /tmp cannot be written', {
    hint: 'chmod 1777 /tmp',
  })
}

function tryDirectory(world: World, base: string): string | undefined {
  try {
    for (const name of readdirSync(base)) if (name.startsWith(prefix)) removeStale(world, `${base}/${name}`)
    return mkdtempSync(`${base}/${prefix}`)
  } catch {
    // The next place is tried.
    return undefined
  }
}

const prefix = 'ob-hop-'

/** Longer than any certificate of a hop counts, and than an agent waits for its first use. Seconds. */
const staleSeconds = 3600

/** What an agent left behind that was itself killed. */
function removeStale(world: World, path: string): void {
  const facts = statSync(path, { throwIfNoEntry: false })
  if (facts?.uid !== world.userId || world.now() - facts.mtimeMs / 1000 < staleSeconds) return
  rmSync(path, { recursive: true, force: true })
}

/** Exactly what the hop needs: this key and no other, nothing shared, and the keys of hosts checked as configured. */
const optionsFor = (directory: string): readonly string[] =>
  [
    `IdentityAgent=${directory}/agent`,
    `IdentityFile=${directory}/hop.pub`,
    'IdentitiesOnly=yes',
    'CertificateFile=none',
    'PubkeyAuthentication=yes',
    'PreferredAuthentications=publickey',
    'ForwardAgent=no',
    'AddKeysToAgent=no',
    'ControlMaster=no',
    'ControlPath=none',
  ].flatMap((option) => ['-o', option])

type Held = { readonly seed: Uint8Array; readonly certificate: Uint8Array; readonly directory: string }

/** A process beside the program that this one becomes; it holds the key, and goes with it. */
async function startAgent({ seed, certificate, directory }: Held): Promise<void> {
  const parsed = parsePublicKey(certificate)
  const until = 'problem' in parsed ? undefined : parsed.certificate?.validBefore
  const order = {
    seed: seed.toBase64(),
    certificate: certificate.toBase64(),
    directory,
    expiresAt: Math.min(Number(until ?? 0n), Number.MAX_SAFE_INTEGER),
  }
  seed.fill(0)
  const agent = Bun.spawn(['/proc/self/exe', 'hop-agent'], {
    cwd: '/',
    env: {},
    detached: true,
    stdin: new TextEncoder().encode(JSON.stringify(order)),
    stdout: 'pipe',
    stderr: 'ignore',
  })
  const { value } = await agent.stdout.getReader().read()
  if (value === undefined) throw new Fault('the agent that holds the key of the hop does not start')
}
