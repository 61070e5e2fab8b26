import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { Destination } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'

/**
 * Holds back what is queued for a destination, or lets it go on; nothing is lost, and what is under way ends. Kept in the
 * store as registration `pause`, so that a running gateway heeds it at its next claim, and told in the audit log. Throws
 * Failure `not-found` for a destination that nobody registered.
 */
export async function setPaused(
  { store, audit, clock, ids }: { store: Store; audit: Audit; clock: Clock; ids: Ids },
  destinations: readonly string[],
  paused: boolean,
  by: Caller,
): Promise<void> {
  const found = await Promise.all(destinations.map((id) => store.findRegistration('destination', id)))
  const missing = destinations.find((_, index) => found[index] === undefined)
  if (missing !== undefined) throw new Failure('not-found', `There is no destination ${missing}`)
  const at = clock.now()
  await store.commit({
    audit: destinations.flatMap((id, index) =>
      audit.record({
        kind: 'configuration',
        outcome: 'success',
        outcomeText: `Destination ${id} ${paused ? 'paused' : 'resumed'}`,
        at,
        requestId: ids.random(),
        caller: by,
        patients: [],
        entities: [(JSON.parse(found[index] ?? '') as Destination).organization],
      }),
    ),
    registrations: destinations.map((id) => ({ kind: 'pause', id, json: JSON.stringify({ paused, at }) })),
  })
}

/** Destinations that are paused. */
export async function pausedDestinations(store: Store): Promise<string[]> {
  const rows = await store.registrations('pause')
  return rows.filter(({ json }) => (JSON.parse(json) as { paused: boolean }).paused).map(({ id }) => id)
}

/** The same, read again only after something changed here or elsewhere. */
export function createPauses(store: Store): () => Promise<readonly string[]> {
  let known: Promise<string[]> | undefined
  const forget = () => {
    known = undefined
  }
  store.onCommit(({ registrations = [] }) => {
    if (registrations.some(({ kind }) => kind === 'pause')) forget()
  })
  store.onChangeElsewhere?.(forget)
  return () => {
    store.changedElsewhere?.()
    known ??= pausedDestinations(store).catch((error) => {
      forget()
      throw error
    })
    return known
  }
}
