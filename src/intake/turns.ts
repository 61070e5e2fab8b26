import type { Party } from '#core/flow.ts'

/** Keeps what concerns one patient in the order it came in; what concerns different ones runs side by side (I17). */
export interface Turns {
  /**
   * Runs `act` when everything taken before under one of these keys has ended, well or badly. Order is that of the
   * calls; without keys, or with nothing to wait for, `act` begins before this returns.
   */
  take<T>(keys: readonly string[], act: () => Promise<T>): Promise<T>
}

export function createTurns(): Turns {
  /** The last taken under a key. All keys of a call are taken at once, so nobody waits in a circle. */
  const last = new Map<string, Promise<void>>()
  return {
    async take(keys, act) {
      const { promise: ended, resolve: end } = Promise.withResolvers<void>()
      const before = keys.map((key) => last.get(key)).filter((each) => each !== undefined)
      for (const key of keys) last.set(key, ended)
      try {
        if (before.length > 0) await Promise.all(before)
        return await act()
      } finally {
        end()
        for (const key of keys) if (last.get(key) === ended) last.delete(key)
      }
    },
  }
}

/** The patients a message names, by the identifiers they are resolved by. */
export function patientKeys(parties: readonly Party[]): string[] {
  return parties
    .filter(({ type }) => type === 'Patient')
    .map(({ identifier }) => `${identifier.system}|${identifier.value}`)
}
