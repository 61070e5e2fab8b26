import { Failure } from '#core/failure.ts'

/** So many keys are remembered; the one that was used longest ago is forgotten first. */
const maxKeys = 10_000

/** Counts requests of a key, as the leaky bucket does: one number a key. */
export interface RateLimit {
  /** Throws Failure `too-many` with the seconds to wait. */
  take(key: string): void
  /** Whether a refusal of this key is to be told to the log: once a minute, however often it is refused. */
  isNews(key: string): boolean
}

const newsMs = 60_000

/** `perSecond` in the long run, and a second's worth at once. */
export function createRateLimit({ now, perSecond }: { now(): number; perSecond: number }): RateLimit {
  const intervalMs = 1000 / perSecond
  /** When the key's bucket will be empty. */
  const empty = new Map<string, number>()
  const told = new Map<string, number>()
  return {
    isNews(key) {
      const at = now()
      if (at - (told.get(key) ?? Number.NEGATIVE_INFINITY) < newsMs) return false
      put(told, key, at)
      return true
    },
    take(key) {
      const at = now()
      const full = Math.max(empty.get(key) ?? 0, at) + intervalMs
      if (full - at > 1000) throw tooMany('Too many requests of this client', full - at - 1000)
      put(empty, key, full)
    },
  }
}

/** Shuts out who keeps failing to prove who they are: guesses get slower and slower, and no longer cost us anything. */
export interface Lockout {
  /** Throws Failure `too-many` while the key is shut out. */
  check(key: string): void
  /** Notes a failure; true when it is the one that shuts the key out. */
  fail(key: string): boolean
  succeed(key: string): void
}

export interface LockoutOptions {
  now(): number
  /** Failures within `windowMs` that shut out. */
  failures: number
  windowMs: number
  /** The first time; doubled each time up to `maxMs`. */
  lockMs: number
  maxMs: number
}

interface Record {
  since: number
  failures: number
  locks: number
  until: number
}

export function createLockout({ now, failures, windowMs, lockMs, maxMs }: LockoutOptions): Lockout {
  const records = new Map<string, Record>()
  return {
    check(key) {
      const left = (records.get(key)?.until ?? 0) - now()
      if (left > 0) throw tooMany('Too many attempts that failed', left)
    },
    fail(key) {
      const at = now()
      const known = records.get(key) ?? { since: at, failures: 0, locks: 0, until: 0 }
      if (at - Math.max(known.since, known.until) > windowMs) {
        // Whoever has been quiet for longer than the longest lock begins anew.
        const locks = at - known.until > maxMs ? 0 : known.locks
        Object.assign(known, { since: at, failures: 0, locks })
      }
      known.failures++
      const isShut = known.failures >= failures
      if (isShut) {
        const until = at + Math.min(lockMs * 2 ** known.locks, maxMs)
        Object.assign(known, { since: until, failures: 0, locks: known.locks + 1, until })
      }
      put(records, key, known)
      return isShut
    },
    succeed(key) {
      records.delete(key)
    },
  }
}

function put<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  if (map.size >= maxKeys) {
    const [oldest = ''] = map.keys()
    map.delete(oldest)
  }
  map.set(key, value)
}

function tooMany(text: string, waitMs: number): Failure {
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000))
  return new Failure('too-many', `${text}: wait ${retryAfterSeconds} seconds`, { retryAfterSeconds })
}
