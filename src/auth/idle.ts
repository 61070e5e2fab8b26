import { type Caller, sessionOf } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'

/** After this long without a request a person's session is over, whatever its token says (J12, ACC16). */
const idleMs = 15 * 60_000
const maxSessions = 50_000

/** Remembers when each person's session was last used. */
export interface IdleWatch {
  /**
   * Says that a session is used now. Throws Failure `unauthenticated` for one that was left alone too long: its person
   * signs in anew. One that was never seen here is as old as its token.
   */
  use(caller: Caller, issued: number): void
}

/** In this process only: another one knows nothing of the session, and takes it by the age of its token. */
export function createIdleWatch(now: () => number): IdleWatch {
  const lastUse = new Map<string, number>()

  return {
    use(caller, issued) {
      const session = sessionOf(caller)
      if (session === undefined) return
      const last = lastUse.get(session) ?? issued * 1000
      if (now() - last > idleMs) {
        throw new Failure('unauthenticated', 'Nothing was asked for a quarter of an hour: sign in again')
      }
      lastUse.delete(session)
      if (lastUse.size >= maxSessions) {
        const [oldest = ''] = lastUse.keys()
        lastUse.delete(oldest)
      }
      lastUse.set(session, now())
    },
  }
}
