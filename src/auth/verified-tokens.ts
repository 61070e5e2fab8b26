import type { Caller } from '#core/caller.ts'
import type { TokenSession } from './apps/granted.ts'

/** What a token that was verified says. */
export interface VerifiedToken {
  caller: Caller
  boundTo?: string
  /** Seconds since the epoch. */
  issued: number
  /** Milliseconds since the epoch. */
  expires: number
  /** Of an app's token: what it hangs on. */
  session?: TokenSession
}

const maxTokens = 10_000

/** Tokens that were verified, until they expire or something that they hang on changes. */
export interface VerifiedTokens {
  find(token: string, now: number): VerifiedToken | undefined
  /** Verifies a token and remembers it; not what was looked up before something was forgotten. */
  load(token: string, verify: () => Promise<VerifiedToken>): Promise<VerifiedToken>
  forget(is: (value: VerifiedToken) => boolean): void
}

export function createVerifiedTokens(): VerifiedTokens {
  const verified = new Map<string, VerifiedToken>()
  let changes = 0

  return {
    find(token, now) {
      const known = verified.get(token)
      if (!known || known.expires > now) return known
      verified.delete(token)
      return undefined
    },
    async load(token, verify) {
      const before = changes
      const fresh = await verify()
      if (before !== changes) return fresh
      if (verified.size >= maxTokens) {
        const [oldest = ''] = verified.keys()
        verified.delete(oldest)
      }
      verified.set(token, fresh)
      return fresh
    },
    forget(is) {
      changes++
      for (const [token, value] of verified) if (is(value)) verified.delete(token)
    },
  }
}
