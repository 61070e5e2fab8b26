import type { Issue } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'

/**
 * The answer to a message that was taken in (I3). What is stored of it is everything but `leaf`, which the log knows.
 * `purged` is all that is answered about a screening that was not kept, `erased` about a message whose patient's record is.
 */
export type Receipt = KeptReceipt | { outcome: 'purged' | 'erased' }

export interface KeptReceipt {
  outcome: 'accepted'
  flow: string
  messageId: string
  /** Milliseconds since the epoch. */
  at: number
  /** What the message became, by version: `Communication/1/_history/1`. */
  resources: string[]
  /** The persons and organizations it names, as resolved. */
  parties: Record<string, Reference>
  /** Absent for what waits unmapped (intake/unmatched). */
  mapping?: { name: string; sha256: string }
  warnings: Issue[]
  /** What became of the populated fields of an HL7 v2 message (I9). */
  coverage?: Coverage
  /** Ids of the deliveries queued. */
  deliveries: string[]
  /** AuditEvent of the act. */
  auditEvent: string
  /** Its position in the log. */
  leaf?: number
}

/** How many populated fields are mapped, ignored by rule, or unknown; and where those are that nobody reads. */
export interface Coverage {
  mapped: number
  ignored: number
  unknown: number
  /** `PV1-44`, `PID-5.8`: never what it says. */
  places: string[]
}

/** A receipt, and whether it was given before. */
export interface Answered {
  receipt: Receipt
  replayed: boolean
}
