import type { Destination } from '#core/destination.ts'
import type { Store } from '#core/ports.ts'

/**
 * Every destination as it stands now, read and opened once for many messages: forgotten with the commit that changes
 * one, here or in another process (the command line). Rejects with Failure `unavailable`.
 */
export function createDestinations(
  store: Pick<Store, 'registrations' | 'onCommit' | 'onChangeElsewhere' | 'changedElsewhere'>,
): () => Promise<readonly Destination[]> {
  let fresh: Promise<readonly Destination[]> | undefined
  const forget = () => {
    fresh = undefined
  }

  store.onCommit(({ registrations = [] }) => {
    if (registrations.some(({ kind }) => kind === 'destination')) forget()
  })
  store.onChangeElsewhere?.(forget)

  async function load(): Promise<readonly Destination[]> {
    return (await store.registrations('destination')).map(({ json }) => JSON.parse(json) as Destination)
  }

  return async () => {
    store.changedElsewhere?.()
    fresh ??= load()
    const asked = fresh
    try {
      return await asked
    } catch (cause) {
      if (fresh === asked) forget()
      throw cause
    }
  }
}
