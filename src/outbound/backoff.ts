export interface Backoff {
  /** Wait after the first attempt. Doubles with each one, up to `capMs`. */
  baseMs: number
  capMs: number
  /** After so many attempts a delivery is dead; taken up again, it has as many more. */
  attempts: number
}

/**
 * Milliseconds to wait after attempt `attempt` (from 1): between half and the whole of the doubled time, so that what
 * failed together does not come back together. `chance` is in [0, 1). A receiver's own wish (Retry-After) is kept, up to
 * a day.
 */
export function waitAfter(attempt: number, chance: number, { baseMs, capMs }: Backoff, wishMs = 0): number {
  const doubled = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 30))
  return Math.max(Math.round(doubled * (0.5 + chance / 2)), Math.min(wishMs, DAY_MS))
}

const DAY_MS = 24 * 60 * 60 * 1_000
