// Everything taken from outside the program. modes/world/ is the real one; tests hand over plain values.

export type FileFacts = {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other'
  readonly uid: number
  readonly gid: number
  /** Permission bits only, e.g. 0o600. */
  readonly mode: number
  readonly size: number
  /** Epoch seconds, with fraction. */
  readonly modifiedAt: number
}

export type TrustRules = {
  /** Largest size accepted, in bytes. */
  readonly limit: number
  /**
   * A secret may have no group or other permission bit at all; anything else may be readable but never writable by
   * them.
   */
  readonly secret: boolean
}

export type OwnedRules = { readonly uid: number; readonly gid: number; readonly limit: number }

export type AccountFiles = Readonly<Record<'passwd' | 'shadow' | 'group' | 'gshadow', string>>

export type FileParts = {
  readonly size: number
  /** Fewer bytes only at the end of the file. */
  readonly read: (offset: number, length: number) => Uint8Array<ArrayBuffer>
}

/**
 * The disk. Paths are absolute. Every member throws a Fault that names the file, the cause and the remedy;
 * a file that does not exist is `undefined` or `false`, never a Fault.
 */
export type Files = {
  /** Content; refuses symbolic links in the last component and anything but a regular file. */
  readonly read: (path: string, limit: number) => Uint8Array<ArrayBuffer> | undefined
  /** The last bytes of a file that grows; the first line of them may be incomplete. */
  readonly readEnd: (path: string, length: number) => Uint8Array<ArrayBuffer> | undefined
  /** As read, and the file and every parent directory must belong to root and only root may write them. */
  readonly readTrusted: (path: string, rules: TrustRules) => Uint8Array<ArrayBuffer> | undefined
  /**
   * A file of a user's, read with the rights of that user: no link anywhere on the way, and everything from the root
   * down belongs to root or to the user and is writable by nobody else.
   */
  readonly readOwned: (path: string, rules: OwnedRules) => Uint8Array<ArrayBuffer> | undefined
  /** As readTrusted, a part at a time from one descriptor: for files that grow with the number of users. */
  readonly readTrustedParts: <T>(path: string, rules: TrustRules, work: (file: FileParts) => T) => T | undefined
  /** Facts about the entry itself; a symbolic link is not followed. */
  readonly stat: (path: string) => FileFacts | undefined
  /** Names in a directory, or undefined when there is none. */
  readonly list: (path: string) => readonly string[] | undefined
  /** Temporary file, fsync, rename, fsync of the directory; owner and mode are set before the content. */
  readonly writeAtomic: (path: string, data: Uint8Array | string, options: WriteOptions) => void
  /** Creates with O_EXCL: true for the one caller that made it. */
  readonly createExclusive: (path: string, data: string, mode: number) => boolean
  /** One O_APPEND write; creates with this mode. Refuses a file that others may write. */
  readonly append: (path: string, data: string, mode: number) => void
  /** Everything after this offset becomes this text, and is on the disk when it returns; refuses as append does. */
  readonly extend: (path: string, at: number, data: string, options: WriteOptions) => void
  readonly remove: (path: string) => boolean
  /**
   * Removes a file for good: overwrites it, then unlinks it, each on the disk before the next. What
   * copy-on-write file systems, flash and backups still hold is out of reach.
   */
  readonly destroy: (path: string) => boolean
  /** Makes the directory and its parents when missing, root-owned; refuses a directory that others own or may write. */
  readonly makeDirectory: (path: string, mode: number) => void
  /**
   * Runs the work while holding flock(2) on this file, which dies with the process. Waits so many seconds, or until the
   * deadline, then a Fault of the kind `busy`: a user can stop a process of root below sudo while it holds a lock.
   */
  readonly withLock: <T>(path: string, work: () => T | Promise<T>, seconds?: number) => Promise<T>
  /**
   * Changes the four files of local accounts together or not at all, under lckpwdf(3); a letter for each byte. True
   * when one changed.
   */
  readonly editAccounts: (edit: (files: AccountFiles) => AccountFiles) => boolean
  /** Makes a home directory from a skeleton, complete or not at all; false when it was there already. */
  readonly makeHome: (home: HomeRequest) => boolean
}

export type WriteOptions = { readonly mode: number; readonly uid?: number; readonly gid?: number }

export type HomeRequest = {
  readonly path: string
  readonly skeleton: string
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

export type SpawnOptions = {
  readonly stdin?: string | Uint8Array
  /** Kills the program when it ends; the exit code is 137 then, whatever else holds the program's output. */
  readonly signal?: AbortSignal
  /** The program has our standard input, output and errors; nothing of what it prints is returned. */
  readonly terminal?: boolean
  /** Kills the program when it prints more bytes than this. */
  readonly limit?: number
}

export type Exit = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type Terminal = {
  /** Columns, at least 20. */
  readonly columns: number
  readonly colour: boolean
  /** Puts this text in place of the line that was put there before; an empty one takes it away. */
  readonly redraw: (text: string) => void
}

export type TlsOptions = {
  /** PEM of every certificate authority trusted for this request; exclusive. */
  readonly ca: string
  /** Lowest protocol version, 0x0303 for TLS 1.2 or 0x0304 for TLS 1.3. */
  readonly minVersion: number
  /** `sha256//…` pins of the server's public key (SPKI), empty when none is configured. */
  readonly pins: readonly string[]
}

export type Processes = {
  /** Process ids whose real uid is this one. */
  readonly ofUser: (uid: number) => readonly number[]
  /** Process ids whose real uid is one of these. */
  readonly ofUsers: (isOne: (uid: number) => boolean) => readonly number[]
  /** A process that is gone already is no error. */
  readonly signal: (pid: number, signal: 'SIGHUP' | 'SIGKILL' | 'SIGSTOP') => void
}

/** The other end of a socket, by the kernel's word. */
export type Peer = { readonly uid: number; readonly pid: number }

/** Facts from /proc about a process; asked only about processes of root. */
export type PeerProcesses = {
  /** Whether this is sshd, or one of its parts, from a file that only root can write. */
  readonly isSshd: (pid: number) => boolean
  readonly parent: (pid: number) => number | undefined
  /** The address at the other end of its network connection. */
  readonly source: (pid: number) => string
}

/** Keys that the kernel holds for root until the next boot, or for less. */
export type Keyring = {
  readonly find: (description: string) => Uint8Array<ArrayBuffer> | undefined
  /** False where the kernel holds no keys for us; containers often forbid it. */
  readonly keep: (description: string, payload: Uint8Array, seconds: number) => boolean
  /** False where the key, if there is one, cannot be reached. */
  readonly forget: (description: string) => boolean
}

/** 32 bytes or as many as asked for; memory in KiB. */
export type NativeArgon2 = (
  password: Uint8Array,
  how: {
    readonly salt: Uint8Array
    readonly memory: number
    readonly passes: number
    readonly lanes: number
    readonly length: number
  },
) => Promise<Uint8Array<ArrayBuffer>>

export type SyslogPriority = 'err' | 'warning' | 'notice' | 'info' | 'debug'

export type World = {
  /** The allow-listed environment; a variable given twice with two values is in `duplicates` instead. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly duplicates: readonly string[]
  /** Epoch seconds, with fraction. */
  readonly now: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  readonly random: (length: number) => Uint8Array<ArrayBuffer>
  readonly hostname: () => string
  readonly userId: number
  /** Correlates every process of one ssh connection: same value for each, never reused within a boot. */
  readonly connectionSeed: () => string
  /** The same for the program that runs PAM: equal in every phase and every try of one sudo, and in no other. */
  readonly callerSeed: () => string
  /** Ends with this invocation's deadline. */
  readonly deadline: AbortSignal
  /** Ends with the deadline or after so many seconds, whichever is first. */
  readonly timeout: (seconds: number) => AbortSignal
  /** From its first call on, Ctrl-C aborts this instead of ending the process. */
  readonly interrupted: () => AbortSignal
  readonly fetch: (url: string, init: RequestInit, tls: TlsOptions, proxy: string | undefined) => Promise<Response>
  /** Makes a TCP connection and sends nothing on it: undefined, or the error code. */
  readonly probeTcp: (host: string, port: number, signal: AbortSignal) => Promise<string | undefined>
  readonly sleep: (seconds: number) => Promise<void>
  readonly files: Files
  readonly keyring: Keyring
  /** The runtime's own Argon2id, where it has one. */
  readonly argon2: NativeArgon2 | undefined
  readonly processes: Processes
  readonly spawn: (argv: readonly string[], options?: SpawnOptions) => Promise<Exit>
  /** Standard input up to this many bytes. */
  readonly stdin: (limit: number) => Uint8Array<ArrayBuffer>
  /** One line from a terminal, not shown while it is typed; otherwise all of standard input. */
  readonly hiddenInput: (prompt: string, limit: number) => Promise<Uint8Array<ArrayBuffer>>
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  readonly syslog: (priority: SyslogPriority, text: string) => void
  /** Present when standard output is a terminal. */
  readonly terminal: Terminal | undefined
}

/**
 * The parts of the World that a function is handed, and no more: the store of used tokens has no network to call.
 * Only login/ports.ts and the modes see all of it.
 */
export type Parts<Names extends keyof World> = Pick<World, Names>

/** Enough for a mode that writes nothing. */
export type ReadOnlyWorld = Parts<'now' | 'timeout' | 'spawn' | 'stdout' | 'stderr' | 'syslog'> & {
  readonly files: Pick<Files, 'read' | 'readTrusted' | 'stat'>
}
