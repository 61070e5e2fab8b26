import type { Caller } from '#core/caller.ts'
import type { NewDelivery, Nonce, ResourceWrite } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import type { Ids, Store } from '#core/ports.ts'
import { type Identified, versioned } from '#core/resource.ts'

/** What the rules of care look things up with. */
export interface CarePorts {
  store: Pick<Store, 'read' | 'readVersion' | 'search' | 'registrations' | 'findRegistration'>
  ids: Ids
  /** Decides whether the caller may know of what its write refers to. */
  access: Pick<Access, 'decide'>
  /** Stored text → resource with the digits of its numbers (formats/json). */
  parse(json: string): unknown
}

/** A write about to be made: valid, and allowed to this caller as far as access goes. */
export interface Change {
  caller: Caller
  /** As it would be stored. */
  resource: Identified
  version: number
  /** What stands there now, if anything; numbers in it may have lost their digits. */
  previous?: Identified | undefined
  /** Milliseconds since the epoch. */
  at: number
  /** Mapped from a message: its sender told of it, and wrote nothing itself. */
  told?: true
}

/** What a write comes to. All of it is one commit. */
export interface Consequences {
  /** What the caller is answered with. */
  result: ResourceWrite
  /** Everything to store, `result` among it; versions of one resource in order. */
  writes: ResourceWrite[]
  /** What goes out because of it. */
  deliveries?: NewDelivery[]
  /** What it was worked out from: of two writes that saw the same, one is worked out anew. */
  nonces?: Nonce[]
}

export function writeOf({ resource, version, previous, at }: Change): ResourceWrite {
  return { resource, version, updated: at, ...(previous ? { previous } : {}) }
}

/** The version before, with its digits; undefined for what is new. */
export async function wholeBefore<R extends Identified>(
  { store, parse }: CarePorts,
  { resource, version, previous }: Change,
): Promise<R | undefined> {
  if (!previous) return undefined
  const stored = await store.readVersion(resource.resourceType, resource.id, version - 1)
  return stored && !stored.deleted ? (parse(stored.json) as R) : undefined
}

/** The next version of a stored resource with some of its elements changed. */
export function changed<R extends Identified>(current: R, changes: Partial<R>, at: number): ResourceWrite {
  const version = Number(current.meta?.versionId ?? '0') + 1
  const resource = versioned({ ...current, ...changes } as R, current.id, version, at)
  return { resource, version, updated: at, previous: current }
}

/** The first version of a resource of ours. */
export function made(resource: Identified, at: number): ResourceWrite {
  return { resource: versioned(resource, resource.id, 1, at), version: 1, updated: at }
}
