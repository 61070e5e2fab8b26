import type { AuditEntry } from '#core/act.ts'
import type { ExportTold, StoredExport } from '#core/export.ts'
import type { NewLedgerEntry } from '#core/ledger.ts'
import type { Identified, Reference } from '#core/resource.ts'
import type { SessionChange } from '#core/session.ts'
import type { NewEvent } from '#core/subscription.ts'

/** A new version of a resource. `version` is the previous one plus one: a loser of the race gets `precondition-failed`. */
export interface ResourceWrite {
  /** With id and meta already set (core/resource `versioned`). */
  resource: Identified
  version: number
  /** Milliseconds since the epoch; equals meta.lastUpdated. */
  updated: number
  /** A deletion is a version without body. */
  deleted?: boolean
  /** The version that this one replaces, so that its search rows go. */
  previous?: Identified
}

/** Which version of which resource. */
export interface VersionRef {
  type: string
  id: string
  version: number
}

export interface NewDelivery {
  id: string
  destination: string
  /** What to send, by exact version: identical bytes at every attempt. */
  resources: VersionRef[]
  /** Deliveries of one patient to one destination keep their order. */
  patient?: Reference
  /** Milliseconds since the epoch. */
  due: number
  /** Why it waits for a person, e.g. `unmapped-code`; it is sent once it is taken up again. */
  held?: string
  /** To a subscriber: all of one destination keep their order. */
  notification?: Notification
}

/**
 * Takes up what was held until somebody answered, in the place that it had in its lane; what a person took up or gave up
 * meanwhile stays as it is.
 */
export type Release = Pick<NewDelivery, 'id' | 'resources' | 'patient' | 'due'>

/** Why a delivery is held whose message has a code that no table knows (I14). */
export const unmappedCode = 'unmapped-code'

/** What a subscriber is told: `event` by the id of the event. */
export type Notification = { kind: 'handshake' | 'heartbeat' } | { kind: 'event'; event: string }

/** Settles attempt `attempt` of a claimed delivery; a second settlement of the same attempt loses. */
export interface Settlement {
  delivery: string
  attempt: number
  state: 'delivered' | 'queued' | 'dead' | 'stopped'
  /** Next try, for `queued`; milliseconds since the epoch. */
  due?: number
  /** Reason code without patient data, e.g. `http-503`, `ack-AR`, `timeout`. */
  reason?: string
  at: number
}

/** The answer to a message, kept so that the same message gets the same answer. */
export interface NewReceipt {
  sender: string
  messageId: string
  /** The bytes that were received; only their keyed hash is kept. */
  body: Uint8Array
  /** What is answered, JSON; absent for a purged screening, of which only the keyed hash of the id remains. */
  answer?: string
  /** Whose message it was: the answer goes with that patient's record. */
  patient?: Reference
  at: number
}

export interface RegistrationWrite {
  kind:
    | 'client'
    | 'destination'
    | 'pause'
    | 'circuit'
    | 'issuer'
    | 'signing-key'
    | 'signer'
    | 'watch'
    | 'artifact'
    | 'artifacts-in-force'
    | 'fixture'
    | 'app'
    | 'account'
    | 'legal-hold'
    | 'erasure'
  id: string
  /** JSON, sealed under the clinic key. */
  json: string
}

/** One-time value (client assertion `jti`). Used again before it expires: `conflict`. */
export interface Nonce {
  issuer: string
  value: string
  /** Milliseconds since the epoch after which it may be forgotten. */
  expires: number
}

/** Everything one act changes. It stands or falls as a whole. */
export interface CommitUnit {
  audit: AuditEntry[]
  writes?: ResourceWrite[]
  deliveries?: NewDelivery[]
  releases?: Release[]
  settlements?: Settlement[]
  receipt?: NewReceipt
  registrations?: RegistrationWrite[]
  nonces?: Nonce[]
  /** One-time values that may stand there already: to be asked for with `Store.hasNonce`. */
  remembered?: Nonce[]
  /** What is seen and signed in ledgers; what comes in is appended by the store itself. */
  ledger?: NewLedgerEntry[]
  /** Versions that nothing may have come after: what was decided here rests on them. */
  expects?: VersionRef[]
  /** Up to which entry it was looked at what came in late (`LateEntry.seq`). */
  lateSeen?: number
  sessions?: SessionChange[]
  /** Bulk exports in their next revision. */
  exports?: StoredExport[]
  told?: ExportTold
  /** Events of subscriptions, and up to which change they were looked for. */
  events?: NewEvent[]
  changesSeen?: number
  /** Anonymous counters to raise by one. */
  counters?: string[]
}

export interface Committed {
  /** Log position of each audit entry, in order. */
  leaves: number[]
}
