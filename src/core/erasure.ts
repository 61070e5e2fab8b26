import type { CommitUnit } from '#core/commit.ts'
import type { Stored } from '#core/ports.ts'
import type { Identified, Reference } from '#core/resource.ts'

/** What is sealed under a patient's data key: all that is here about that patient, whatever type it is of. */
export interface PatientRecord {
  /** Id of the data key. */
  key: string
  /** Sealed versions; a commit in between shows in it. */
  versions: number
  resources: RecordedResource[]
  deliveries: { open: number; settled: number }
  receipts: number
  events: number
  ledgerEntries: number
}

/** One resource with all its versions. */
export interface RecordedResource {
  reference: Reference
  /** The current version. */
  stored: Stored
  /** The current one; for what was deleted, the last one before that. */
  resource: Identified
}

/**
 * The physical end of a patient's record, wholly or but for what is kept. What is kept is sealed anew, so that the data
 * key can be destroyed in either case: with it goes what copies of the database hold.
 */
export interface Erasure {
  patient: Reference
  record: PatientRecord
  /** `Type/id` of what stays, with all its versions. */
  keeps: ReadonlySet<Reference>
  /** Ids of accounts that end (registrations of kind `account`). */
  accounts: readonly string[]
  /** Milliseconds since the epoch. */
  at: number
}

/** The part of the store that erases. */
export interface ErasureStore {
  /** Undefined where nothing is sealed for this patient. */
  findRecord(patient: Reference): Promise<PatientRecord | undefined>
  /**
   * Rows and search rows, deliveries, receipts and events go in one commit with `unit`, the data key after it. Broken off
   * between the two, `settleErasures` goes on. Throws Failure `precondition-failed` where the record changed since it was
   * looked at: plan again.
   */
  erase(erasure: Erasure, unit: CommitUnit): Promise<void>
  /**
   * Makes data and key store agree: a key whose rows were erased is destroyed, and rows of a key that was destroyed are
   * erased, as they come back with a backup. Resolves with how many keys were found so.
   */
  settleErasures(at: number): Promise<{ keys: number; restored: number }>
}
