/** A door that stands open for a while: a person's sign-in, what an app was granted, an invitation. */
export interface StoredSession {
  /** When it was last used, milliseconds since the epoch. */
  used: number
  /** Milliseconds since the epoch; not found any more from then on. */
  expires: number
  json: string
}

/**
 * One change of a session in a commit. `id` is known to its holder alone: only its keyed hash is kept. What was ended
 * stays ended: a use that comes late changes nothing.
 */
export type SessionChange =
  | { change: 'begin'; id: string; used: number; expires: number; json: string }
  | { change: 'use'; id: string; used: number }
  | { change: 'end'; id: string }

/** The part of the store that keeps sessions, so that they hold in every process on the same database. */
export interface SessionStore {
  findSession(id: string, now: number): Promise<StoredSession | undefined>
}
