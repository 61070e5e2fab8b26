import type { Stored } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'

/** A bulk export as the store keeps it: what it is about is sealed in `json`. */
export interface StoredExport {
  id: string
  /** One more with each change: a loser of the race gets `conflict`. */
  revision: number
  /** Client id of who asked for it. */
  client: string
  state: 'preparing' | 'complete' | 'failed' | 'cancelled'
  /** Until then nobody else prepares it; milliseconds since the epoch. */
  lease: number
  /** After that it is not there any more. */
  expires: number
  json: string
}

/** What an export gave away for the first time, so that it is told once: keys made of type and patient. */
export interface ExportTold {
  export: string
  keys: readonly string[]
}

/** Where a version stands among the versions of its type in order of time. */
export interface VersionPlace {
  /** Milliseconds since the epoch. */
  updated: number
  id: string
  version: number
}

/**
 * The versions of a type that were the current ones at a moment, in order of time: later writes do not move them, so a
 * place in this order stays where it is. What was deleted since then is not among them.
 */
export interface SnapshotQuery {
  type: string
  /** Milliseconds since the epoch. */
  at: number
  /** First and last place, both inclusive. */
  from: VersionPlace
  until?: VersionPlace
  /** Deletions in place of what there is. */
  deletions?: boolean
  /** Only what is about these patients, by the `patient` parameter of the type. */
  patients?: readonly Reference[]
  limit: number
}

export interface SnapshotRow {
  stored: Stored
  /** There is a newer version by now. */
  superseded: boolean
}

/** The part of the store that bulk exports use. */
export interface ExportStore {
  findExport(id: string): Promise<StoredExport | undefined>
  /** Leases one that is being prepared and that nobody holds; a lease that runs out is claimed again. */
  claimExport(now: number, leaseMs: number): Promise<StoredExport | undefined>
  /** How many of a client's exports are being prepared. */
  countExports(client: string): Promise<number>
  /** When the next one becomes claimable. */
  nextExport(): Promise<number | undefined>
  /** Which of the keys an export was told of. */
  findTold(told: ExportTold): Promise<Set<string>>
  snapshot(query: SnapshotQuery): Promise<SnapshotRow[]>
}
