// Makes a copy of the Bun executable deaf to its environment. Bun has no build flag for this: BUN_BE_BUN turns every
// compiled program into the bun command, and BUN_JSC_functionOverrides replaces the body of any of its functions.
// It all happens before the first line of ours, so it can only be stopped in the bytes of the runtime.

export type Architecture = 'x64' | 'arm64'

// Every name of these two families that the runtime asks getenv(3) for. The list is complete on purpose: a version of
// Bun with one more name fails the build until somebody has looked at it.
const families = /\0((?:BUN|NODE)_[A-Za-z0-9_]{2,50})(?=\0)/g

const bun = `
  AGENT_RULE_DISABLED ASSUME_PERFECT_INCREMENTAL BE_BUN BYTECODE_DIGEST_OUT BYTECODE_ORDER_NAMES_OUT
  BYTECODE_ORDER_OUT CHROME_PATH COMPILE_TARGET_TARBALL_URL CONFIG_DISABLE_COPY_FILE_RANGE
  CONFIG_DISABLE_ioctl_ficlonerange CONFIG_DNS_TIME_TO_LIVE_SECONDS CONFIG_HTTP_IDLE_TIMEOUT CONFIG_VERBOSE_FETCH
  CONFIG_WS_CLOSE_TIMEOUT CONFIG_WS_HANDSHAKE_TIMEOUT CRASH_REPORT_URL DEBUG_FORCE_NIX_HOST
  DEBUG_TEST_CHECK_PROGRESS_DELAY_MS DEBUG_lsquic DESTRUCT_VM_ON_EXIT DEV_SERVER_TEST_RUNNER DISABLE_KITTY_PROBE
  DISABLE_SLOW_FILESYSTEM_WARNING DISABLE_SLOW_LIFECYCLE_SCRIPT_LOGGING DISABLE_SOURCE_CODE_PREVIEW
  DISABLE_STOP_IF_NECESSARY_TIMER DISABLE_STORE_AST_HEAP DISABLE_TRANSPILED_SOURCE_CODE_PREVIEW
  ENABLE_CRASH_REPORTING ENABLE_EXPERIMENTAL_SHELL_BUILTINS FEATURE_FLAG_DISABLE_ADDRCONFIG
  FEATURE_FLAG_DISABLE_ASYNC_TRANSPILER FEATURE_FLAG_DISABLE_DNS_CACHE FEATURE_FLAG_DISABLE_EPOLL_PWAIT2
  FEATURE_FLAG_DISABLE_FETCH_TLS_SESSION_CACHE FEATURE_FLAG_DISABLE_IGNORE_SCRIPTS FEATURE_FLAG_DISABLE_INSTALL_INDEX
  FEATURE_FLAG_DISABLE_IO_POOL FEATURE_FLAG_DISABLE_IPV4 FEATURE_FLAG_DISABLE_IPV6
  FEATURE_FLAG_DISABLE_ISOLATION_SOURCE_CACHE FEATURE_FLAG_DISABLE_MEMFD FEATURE_FLAG_DISABLE_NATIVE_DEPENDENCY_LINKER
  FEATURE_FLAG_DISABLE_REDIS_AUTO_PIPELINING FEATURE_FLAG_DISABLE_RWF_NONBLOCK FEATURE_FLAG_DISABLE_SIMD_SOURCEMAP
  FEATURE_FLAG_DISABLE_SOURCE_MAPS FEATURE_FLAG_DISABLE_SPAWNSYNC_FAST_PATH FEATURE_FLAG_DISABLE_SQL_AUTO_PIPELINING
  FEATURE_FLAG_DISABLE_STANDALONE_MADVISE FEATURE_FLAG_DISABLE_STREAMING_INSTALL FEATURE_FLAG_EXPERIMENTAL_BAKE
  FEATURE_FLAG_EXPERIMENTAL_HTTP2_CLIENT FEATURE_FLAG_EXPERIMENTAL_HTTP3_CLIENT FEATURE_FLAG_FORCE_IO_POOL
  FEATURE_FLAG_FORCE_WINDOWS_JUNCTIONS FEATURE_FLAG_INTERNAL_FOR_TESTING FEATURE_FLAG_LAST_MODIFIED_PRETEND_304
  FEATURE_FLAG_NO_LIBDEFLATE FEATURE_FLAG_NO_ORPHANS GARBAGE_COLLECTOR_LEVEL GC_RUNS_UNTIL_SKIP_RELEASE_ACCESS
  GC_TIMER_DISABLE GC_TIMER_INTERVAL IDLE_GC_SECONDS INOTIFY_COALESCE_INTERVAL INSPECT INSPECT_CONNECT_TO
  INSPECT_PRELOAD INSTALL_BIN INSTALL_CACHE_DIR INSTALL_GLOBAL_DIR INSTALL_STREAMING_DRAIN_THRESHOLD
  INSTALL_STREAMING_MIN_SIZE INTERNAL_BAKE_RESTART INTERNAL_BUNX_HAS_COPY INTERNAL_BUNX_INSTALL INTERNAL_CHECK_SCRIPTS
  INTERNAL_INTERACTIVE_ASSUME_TTY INTERNAL_NAPI_FORCE_MUSL_CHECK INTERNAL_SCRIPTS_OF_COMMANDS
  INTERNAL_SUPPRESS_CRASH_IN_BUN_RUN INTERNAL_SUPPRESS_CRASH_ON_NAPI_ABORT INTERNAL_SUPPRESS_CRASH_ON_UV_STUB
  INTERNAL_TEST_CHANGED_TRIGGER_FILE LINT_MEMORY NO_CODESIGN_MACHO_BINARY OPTIONS PLUGIN_NAME
  RUNTIME_TRANSPILER_CACHE_PATH TCC_OPTIONS TEST_DRAIN_EVENT_LOOP THREADPOOL_STATS TMPDIR TRACE WATCHER_TRACE`

const node = `
  CHANNEL_FD CHANNEL_SERIALIZATION_MODE COMPILE_CACHE COMPILE_CACHE_PORTABLE DEBUG_NATIVE DISABLE_COMPILE_CACHE
  EXTRA_CA_CERTS NO_WARNINGS PENDING_DEPRECATION PRESERVE_SYMLINKS_MAIN REDIRECT_WARNINGS TLS_REJECT_UNAUTHORIZED
  USE_SYSTEM_CA`

const others = `
  ALL_PROXY HTTPS_PROXY HTTP_PROXY NO_PROXY all_proxy http_proxy https_proxy no_proxy
  SSL_CERT_DIR SSL_CERT_FILE RES_OPTIONS UV_THREADPOOL_SIZE JSC_PROFILER_PATH`

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

/** Name → how often it stands alone, between two NULs, in the pinned Bun. */
export const inertNames = (architecture: Architecture): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const word of words(bun)) counts.set(`BUN_${word}`, 1)
  for (const word of words(node)) counts.set(`NODE_${word}`, 1)
  for (const word of words(others)) counts.set(word, 1)
  if (architecture === 'arm64') counts.set('BUN_DISABLE_TRANSPILER', 1)
  return counts
}

// Two are asked for a second time, by length and not by NUL, out of a run of strings without separators.
const glued = ['BUN_CONFIG_VERBOSE_FETCH', 'NODE_TLS_REJECT_UNAUTHORIZED'] as const

/**
 * BUN_JSC_* has no name to blank: the loop over environ(7) compares letter by letter. Its second comparison, of
 * character 1 with `U`, is made to look at character 0, which was just found to be `B`: no variable can be both.
 */
const jscLoop: Record<Architecture, { readonly before: string; readonly after: string }> = {
  // cmpb $'B',(%r14); jne; cmpb $'U',1(%r14); jne; cmpb $'N',2(%r14)
  x64: { before: '41803e4275e541807e015575de41807e024e', after: '41803e4275e541807e005575de41807e024e' },
  // cmp w10,#'B'; b.ne; ldrb w10,[x9,#1]; cmp w10,#'U'; b.ne; ldrb w10,[x9,#2]
  arm64: {
    before: '5f09017101ffff542a0540395f550171a1feff542a094039',
    after: '5f09017101ffff542a0140395f550171a1feff542a094039',
  },
}

function positions(image: Buffer, needle: Buffer): readonly number[] {
  const found: number[] = []
  for (let at = image.indexOf(needle); at !== -1; at = image.indexOf(needle, at + 1)) found.push(at)
  return found
}

function blankName(image: Buffer, name: string, expected: number): void {
  const found = positions(image, Buffer.from(`\0${name}\0`, 'latin1'))
  if (found.length !== expected) throw new Error(`${name} is ${found.length} times in this Bun, not ${expected}`)
  for (const at of found) image[at + 1] = 0
}

function blankGlued(image: Buffer, name: string): void {
  const isLetter = (at: number) => /[A-Za-z]/.test(String.fromCharCode(image[at]!))
  const found = positions(image, Buffer.from(name, 'latin1')).filter((at) => isLetter(at - 1))
  if (found.length !== 1) throw new Error(`${name} is glued to others ${found.length} times in this Bun, not 1`)
  image[found[0]!] = 0
}

function closeJscLoop(image: Buffer, architecture: Architecture): void {
  const { before, after } = jscLoop[architecture]
  const found = positions(image, Buffer.from(before, 'hex'))
  if (found.length !== 1) throw new Error(`the BUN_JSC_ loop is ${found.length} times in this Bun, not 1`)
  image.set(Buffer.from(after, 'hex'), found[0]!)
}

/** The same executable, deaf. Throws when it is not exactly the Bun this table was made for. */
export function harden(original: Uint8Array, architecture: Architecture): Buffer {
  const image = Buffer.from(original)
  const names = inertNames(architecture)
  for (const [, name] of image.toString('latin1').matchAll(families))
    if (!names.has(name!)) throw new Error(`this Bun knows ${name}, which nobody has judged; add it to the table`)
  for (const [name, expected] of names) blankName(image, name, expected)
  for (const name of glued) blankGlued(image, name)
  closeJscLoop(image, architecture)
  return image
}
