import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'

/**
 * The tables. What stands in the clear: types, random or keyed ids, versions, times, states, log positions. All else is
 * sealed or a keyed hash (docs/threat-model.md says why each column may be read).
 */
export interface Tables {
  /** Every version of every resource; the primary key is If-Match. */
  version: {
    type: string
    id: string
    version: number
    updated: number
    /** Key id of the box that opens `body`; null for a deletion. */
    box: string | null
    body: Uint8Array | null
  }
  /** Search rows of current versions: token, reference and uri parameters as blind indexes over `Type.param` and value. */
  token_row: { hash: Uint8Array; id: string }
  /** Search rows of current versions: dates as milliseconds. `param` is `Type.name`. */
  date_row: { id: string; param: string; low: number; high: number }
  /** Sealed AuditEvents. */
  audit_event: { id: string; recorded: number; box: string; body: Uint8Array }
  /** The Merkle log: appended to, never changed (triggers). */
  leaf: { position: number; event: string; entry: Uint8Array }
  checkpoint: { size: number; note: string; peaks: Uint8Array }
  /** Full tiles of the Merkle tree: made from the leaves, appended to, never changed. */
  tile: { level: number; number: number; hashes: Uint8Array; root: Uint8Array }
  /** Sizes of the checkpoints that were taken outside. */
  anchor: { size: number }
  delivery: {
    seq: number
    id: string
    destination: string
    /** Keyed hash of patient and destination: deliveries of one lane keep their order. */
    lane: Uint8Array
    state: string
    attempt: number
    due: number
    lease: number
    created: number
    reason: string | null
    box: string
    body: Uint8Array
  }
  /** One row for each settled attempt: a second settlement of the same attempt violates the key. */
  attempt: { delivery: string; number: number; state: string; reason: string | null; at: number }
  /** Keyed hash of sender and message id → keyed hash of the body and the sealed answer (null: purged). */
  receipt: {
    key: Uint8Array
    hash: Uint8Array | null
    box: string | null
    answer: Uint8Array | null
    at: number
  }
  registration: { kind: string; id: string; box: string; body: Uint8Array }
  nonce: { key: Uint8Array; expires: number }
  /** Sign-ins, grants and invitations: `key` is a keyed hash of what their holder knows. */
  session: { key: Uint8Array; used: number; expires: number; box: string; body: Uint8Array }
  counter: { name: string; value: number }
  /** Bulk exports: what was asked, and how far it is, sealed. One row an export; the key is the guard of its changes. */
  export_job: {
    id: string
    revision: number
    client: string
    state: string
    lease: number
    expires: number
    box: string
    body: Uint8Array
  }
  /** Keyed hashes of what an export gave away and told. */
  export_told: { export: string; hash: Uint8Array }
  /** Subscriptions that gather events. */
  subscription_live: { id: string }
  /** Versions stored while somebody is subscribed, until they were looked at (trigger). */
  waiting_change: { seq: number; type: string; id: string; version: number }
  /** What subscribers were to be told: `key` is a keyed hash of subscription and version. */
  subscription_event: {
    id: string
    subscription: string
    number: number
    key: Uint8Array
    at: number
    box: string
    body: Uint8Array
  }
  /** What the search rows of a parameter (`Type.param`) were made by, and how far a change of it is. */
  search_index: {
    param: string
    /** The definition as JSON; empty for a parameter that is no more. */
    definition: string
    /** JSON list of the definitions whose rows may stand still. */
    former: string
    building: number
    /** The last id that is done. */
    reached: string
  }
  /**
   * What came in for a patient, was seen and was signed (core/ledger). `chain` is a keyed hash of the patient, `hash` the
   * SHA-256 of the sealed text: all that is needed to follow the chain. Appended to, never changed (triggers).
   */
  ledger_entry: {
    chain: Uint8Array
    /** From 1, without gaps: the key is the guard of what has to be the next. */
    position: number
    id: string
    kind: string
    hash: Uint8Array
    box: string
    body: Uint8Array
  }
  /** Versions that an earlier release stored without an entry, until they have one. */
  ledger_backlog: { seq: number; type: string; id: string; version: number }
  /** Entries that came in after something was signed, until they were looked at (trigger). */
  ledger_late: { seq: number; id: string }
  /** Data keys that were destroyed: nothing is sealed under them any more, and what they sealed is gone (triggers). */
  tombstone: { box: string; at: number }
  migration: { name: string }
}

/** In place of a key id: what stood here is erased. */
export const erasedBox = 'erased'

/** Builds and compiles statements for SQLite; runs none. */
export const sqlite = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
})
