import { Failure } from '#core/failure.ts'
import type { KeyStore } from '#core/ports.ts'

/** Values that may be sealed under one key with random 96-bit IVs (NIST SP 800-38D §8.3). */
const allowed = 2 ** 32
/** A box that is opened and put away again counts nothing before this many uses: most see fewer, and cost no write. */
const uncounted = 256
/** After that it counts in steps of this many, ahead of using them. */
const step = 2 ** 16
/** Kept back for what was not counted: a million openings. */
const reserve = 2 ** 28

/** Throws Failure `internal` when a key was used as often as is safe. Call it before each seal. */
export type Use = () => void

/**
 * Counts the uses of one data key over all the processes and restarts that share the key store. The count is written
 * ahead in the background, so that sealing does not wait for it.
 */
export function createUseLimit(keyId: string, keys: Pick<KeyStore, 'countUses'>): Use {
  let uses = 0
  let counted = uncounted
  let total = 0

  function countAhead(): void {
    counted += step
    keys.countUses(keyId, step).then(
      (all) => {
        total = all
      },
      // It is tried again with the next use: the key store that does not answer opens no other keys either.
      () => {
        counted -= step
      },
    )
  }

  return () => {
    if (total > allowed - reserve)
      throw new Failure(
        'internal',
        'A data key was used as often as AES-GCM allows: its owner needs a new one',
      )
    uses += 1
    // Half a step ahead, so that the answer is there before the step is used up.
    if (uses >= counted - (counted === uncounted ? 0 : step / 2)) countAhead()
  }
}
