import type { AuditEntry } from '#core/act.ts'
import type { Committed, CommitUnit, Notification, RegistrationWrite, VersionRef } from '#core/commit.ts'
import type { ErasureStore } from '#core/erasure.ts'
import type { ExportStore } from '#core/export.ts'
import type { LedgerStore } from '#core/ledger.ts'
import type { Cursor, SearchQuery } from '#core/query.ts'
import type { Reference, Resource } from '#core/resource.ts'
import type { SessionStore } from '#core/session.ts'
import type { SubscriptionStore } from '#core/subscription.ts'

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

export interface Ids {
  /** A random UUID. */
  random(): string
}

/** One version as stored. `json` is the exact text to serve; empty for a deletion. */
export interface Stored {
  type: string
  id: string
  version: number
  deleted: boolean
  /** Milliseconds since the epoch. */
  updated: number
  json: string
}

export interface StoredDelivery {
  id: string
  destination: string
  resources: VersionRef[]
  patient?: Reference
  notification?: Notification
  state: 'queued' | 'claimed' | 'delivered' | 'dead' | 'stopped'
  /** The number of this attempt, from 1. */
  attempt: number
  due: number
  created: number
  reason?: string
}

/** How many deliveries to one destination may be under way, and how many are, by destination id. */
export interface DestinationShare {
  room: number
  underway: Readonly<Record<string, number>>
}

/** How far the search rows of changed parameters are. */
export interface Reindexed {
  /** `Type.param` of those that are not done yet. */
  parameters: string[]
  /** Resources looked at now, and still to be looked at. */
  done: number
  left: number
  /** Resources among `done` that no key opens any more. */
  unreadable: number
}

/**
 * The receipt found for a message: the answer given; `purged` for a screening that was not kept, `erased` for what was
 * kept and is erased; or a clash (same id, other body), only where a body was given to compare.
 */
export type ReceiptFound =
  | { outcome: 'same'; answer: string }
  | { outcome: 'purged' }
  | { outcome: 'erased' }
  | { outcome: 'differs' }

/** Rows of the audit log as they stand in the store, for verification without keys. */
export interface LogRow {
  position: number
  eventId: string
  /** The leaf's content, from which the RFC 6962 leaf hash is made (audit/leaf). */
  entry: Uint8Array
  /** The sealed event, where it has not been erased. */
  sealed?: Uint8Array
  /** Key id of the box that opens it. */
  box?: string
}

/** 256 hashes of the Merkle tree side by side, as in https://c2sp.org/tlog-tiles; only full ones are kept. */
export interface TileRow {
  level: number
  number: number
  /** 256 × 32 bytes. */
  hashes: Uint8Array
  /** Their Merkle root: a hash of the level above. */
  root: Uint8Array
}

export interface CheckpointRow {
  size: number
  /** C2SP signed note. */
  note: string
  /** Merkle peaks at `size`, 32 bytes each, left to right: where the next checkpoint goes on from. */
  peaks: Uint8Array
}

/**
 * The one way to durable state. An implementation is a dialect and an `atomically`; test/store-contract runs on each.
 * Every method rejects with Failure `unavailable` when the database cannot answer.
 */
export interface Store extends ExportStore, SubscriptionStore, LedgerStore, SessionStore, ErasureStore {
  /**
   * Applies a unit wholly or not at all; resolves when it is durable. Failures: `precondition-failed` (version exists, or
   * one that was expected to be the last is not), `conflict` (receipt or nonce exists, delivery attempt settled already,
   * export changed, event exists, place in a ledger taken).
   */
  commit(unit: CommitUnit): Promise<Committed>
  /** Called after each durable commit, before its caller goes on: caches drop what changed. */
  onCommit(listener: (unit: CommitUnit) => void): void
  /**
   * Whether another process committed to the same database since this was asked last; whoever caches has dropped it by
   * then. Costs a few microseconds and is asked before a cache is trusted, once a request. Absent where nobody else can
   * write. Throws Failure `unavailable`.
   */
  changedElsewhere?(): boolean
  /** Called by `changedElsewhere` when that is so: what is cached may be anything but current. */
  onChangeElsewhere?(listener: () => void): void

  /** The current version, deletions included. AuditEvents too. */
  read(type: string, id: string): Promise<Stored | undefined>
  readVersion(type: string, id: string, version: number): Promise<Stored | undefined>
  /** Versions, newest first; those before a version where one is given. */
  history(type: string, id: string, limit: number, before?: number): Promise<Stored[]>
  /** Versions of all resources of a type, newest first; those before a version where one is given. */
  changes(type: string, limit: number, before?: Pick<Stored, 'updated' | 'id' | 'version'>): Promise<Stored[]>
  /** Current versions in sort order, each with the cursor that goes on after it. */
  search(query: SearchQuery): Promise<{ stored: Stored; cursor: Cursor }[]>

  /**
   * After a change of search parameters: gives up to so many resources the rows they lack. Reads and writes go on beside
   * it, other processes may do the same, and it goes on where it was broken off. A search by one of the `parameters` that
   * are left is refused as `unavailable`.
   */
  reindex(limit: number): Promise<Reindexed>
  reindexLeft(): Promise<Pick<Reindexed, 'parameters' | 'left'>>

  findReceipt(sender: string, messageId: string, body?: Uint8Array): Promise<ReceiptFound | undefined>

  /**
   * Leases what is due, oldest first, and only the first unsettled delivery of each patient and destination.
   * A lease that runs out is claimed again with the next attempt number. With a share, no destination gets more than
   * its own: one that hangs must not hold the places of all.
   */
  claimDeliveries(
    now: number,
    leaseMs: number,
    limit: number,
    share?: DestinationShare,
  ): Promise<StoredDelivery[]>
  deliveries(limit: number): Promise<StoredDelivery[]>
  /** When the next queued or leased delivery becomes claimable; by destination not before a time, or never (null). */
  nextDelivery(notBefore?: Readonly<Record<string, number | null>>): Promise<number | undefined>
  /** Takes a dead or stopped delivery up again. */
  requeueDelivery(id: string, due: number, audit: AuditEntry[]): Promise<void>

  /** Whether a one-time value was used and not forgotten since. */
  hasNonce(issuer: string, value: string): Promise<boolean>
  findRegistration(kind: RegistrationWrite['kind'], id: string): Promise<string | undefined>
  registrations(kind: RegistrationWrite['kind']): Promise<{ id: string; json: string }[]>
  counters(): Promise<Record<string, number>>
  /** Forgets nonces, sessions and exports that expired, and events of subscriptions after a month. */
  sweep(now: number): Promise<void>

  logSize(): Promise<number>
  logRows(from: number, limit: number): Promise<LogRow[]>
  /** Position of an event in the log. */
  logPosition(eventId: string): Promise<number | undefined>
  checkpoints(): Promise<CheckpointRow[]>
  lastCheckpoint(): Promise<CheckpointRow | undefined>
  addCheckpoint(row: CheckpointRow): Promise<void>
  /** Size of the last checkpoint that was taken outside; 0 for none. */
  anchoredSize(): Promise<number>
  addAnchored(size: number): Promise<void>

  /** How many full tiles a level has. */
  tileCount(level: number): Promise<number>
  tile(level: number, number: number): Promise<Uint8Array | undefined>
  /** Roots of the tiles of a level, in order; fewer only at the end of the level. */
  tileRoots(level: number, from: number, limit: number): Promise<Uint8Array[]>
  /** Keeps tiles in order of level and number; one that stands already stays as it is. */
  addTiles(tiles: readonly TileRow[]): Promise<void>

  close(): Promise<void>
}

/** Where wrapped data keys live: outside of the data and its backups, so that a destroyed key stays destroyed. */
export interface KeyStore {
  find(keyId: string): Promise<Uint8Array | undefined>
  /**
   * Stores a wrap unless there is one; resolves with the one that stands, when it is durable. Undefined for a key that was
   * destroyed: its id is never used again.
   */
  add(keyId: string, wrap: Uint8Array): Promise<Uint8Array | undefined>
  /** Ends a data key for good, and remembers that it did. */
  destroy(keyId: string): Promise<void>
  wasDestroyed(keyId: string): Promise<boolean>
  /** Ids of all data keys that were destroyed: what they sealed is to be gone from every copy of the data. */
  destroyed(): Promise<string[]>
  /** Wraps in order of key id, those after a key id where one is given. */
  list(after: string | undefined, limit: number): Promise<{ keyId: string; wrap: Uint8Array }[]>
  /** Puts a new wrap where the old one still stands; false where it does not, so that nothing destroyed comes back. */
  replace(keyId: string, old: Uint8Array, wrap: Uint8Array): Promise<boolean>
  /** Counts uses of a data key; resolves with all of them so far. */
  countUses(keyId: string, uses: number): Promise<number>
}

/** Key-encryption keys by id; the active one wraps. Both may change while the gateway runs: read them when needed. */
export interface Keyring {
  readonly active: string
  readonly keys: ReadonlyMap<string, Uint8Array>
}

/** A data key in use: seals and opens, each value bound to its place (associated data). */
export interface Box {
  keyId: string
  seal(plaintext: string, place: string): Uint8Array
  /** Throws Failure `internal` when the bytes or the place were changed. */
  open(sealed: Uint8Array, place: string): string
  /** Blind index under this owner's own key, for codes too telling for a clinic-wide one. 16 bytes. */
  index(field: string, value: string): Uint8Array
}

export interface Vault {
  /** The box of an owner (`Patient/1`, `clinic`, `audit/2026-11-21`), made and durably wrapped on first use. */
  box(owner: string): Promise<Box>
  /** The box of an owner if there is one. */
  find(owner: string): Promise<Box | undefined>
  /** The box that a sealed row names. Throws Failure `internal` when its key was destroyed. */
  open(keyId: string): Promise<Box>
  /** The box that is an owner's own once the present one is destroyed: what is to outlive it is sealed anew with this. */
  next(owner: string): Promise<Box>
  /** Destroys a data key. An owner whose key was destroyed gets another one, which opens nothing of before. */
  destroy(keyId: string): Promise<void>
  /** Another process may have destroyed it: it is looked for in the key store when it is needed again. */
  forget(keyId: string): void
  destroyed(): Promise<string[]>
  /** Keyed hash for equality search, 16 bytes. */
  index(field: string, value: string): Uint8Array
  /** Keyed hash of bytes, 32 bytes. */
  mac(purpose: string, ...parts: (string | Uint8Array)[]): Uint8Array
  /** A UUID (version 8) derived from the parts: the same parts, the same id; nobody without the key can guess it back. */
  deriveId(...parts: string[]): string
}

/** Turns an audit entry into what the log keeps (audit/leaf): the sealed body and the leaf entry. */
export interface LeafMaker {
  seal(entry: AuditEntry, box: Box): { sealed: Uint8Array; entry: Uint8Array }
  open(eventId: string, sealed: Uint8Array, box: Box): string
}

/** Mappings, code tables and profiles as loaded: data that changes without a release. */
export interface Artifacts {
  /** `<name>.jsonata` texts by name. */
  mappings: ReadonlyMap<string, string>
  /** ConceptMap resources by file name without extension; `<table>@<client id>` holds for one sender and is asked first. */
  conceptMaps: ReadonlyMap<string, unknown>
  /** Why fields of HL7 v2 are left out, by mapping; `hl7v2` holds for all of them (formats/hl7v2/coverage `IgnoreTable`). */
  ignored: ReadonlyMap<string, Readonly<Record<string, string>>>
  /** Conformance resources of profiles/: StructureDefinition, ValueSet, CodeSystem, Questionnaire, SearchParameter. */
  profiles: readonly Resource[]
}
