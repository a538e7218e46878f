// The limits of the user database: no caller may use up the memory or the time of `ob serve`.
export const limits = {
  message: 16 << 10,
  connections: 512,
  connectionsOfOne: 64,
  /** Of these connections only root gets the last ones: a user with subordinate uids (subuid(5)) is many. */
  connectionsOfRoot: 128,
  requestsInOneGo: 256,
  /** Requests of one uid that is not root: at once, and a second. */
  burst: 8000,
  rate: 4000,
  promises: 512,
  promiseSeconds: 300,
  /** New names from one address: at once, and seconds until one more. */
  namesAtOnce: 10,
  secondsPerName: 6,
  sources: 4096,
  refreshSeconds: 900,
  stale: 256,
} as const
