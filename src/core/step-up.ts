import type { Caller, SignIn } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'

/** Seconds after which both factors have to be shown again for what cannot be taken back (21 CFR 1311.140, ACC15). */
const signInSeconds = 120
/** Code of the refusal. */
const stepUp = 'step-up'

/** https://www.rfc-editor.org/rfc/rfc9470#section-3: who came this far is known, and has to prove it once more. */
export const signInAnew = `DPoP error="insufficient_user_authentication", max_age="${signInSeconds}"`

function isFresh({ factors, at }: SignIn, now: number): boolean {
  return factors >= 2 && now - at <= signInSeconds * 1000
}

/** A person signed in with two factors just now; a system proves itself with every token. Throws Failure `unauthenticated`. */
export function requireFreshSignIn({ signIn }: Pick<Caller, 'signIn'>, now: number): void {
  if (!signIn || isFresh(signIn, now)) return
  const text = `Sign in with two factors, no more than ${signInSeconds} seconds before this.`
  throw new Failure('unauthenticated', [{ text, detail: stepUp }])
}

export function asksToSignInAnew({ issues }: Failure): boolean {
  return issues.some(({ detail }) => detail === stepUp)
}
