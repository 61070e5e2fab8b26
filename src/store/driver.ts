import type { Bound } from './template.ts'

export type Row = Record<string, unknown>

/** Unique keys that guard a commit; which one was violated tells what went wrong. */
export type Guard = 'version' | 'receipt' | 'nonce' | 'attempt' | 'export' | 'event' | 'ledger' | 'session'

export interface Statement extends Bound {
  guard?: Guard
  /** The statement returns one row that the caller wants (`RETURNING`). */
  returns?: boolean
}

export type Outcome = { ok: true; rows: Row[] } | { ok: false; guard: Guard; cause: unknown }

/**
 * A database as the store needs it: atomic units and reads. A unit stands or falls as a whole; `atomically` resolves
 * when it is durable. A violated guard is an outcome; everything else rejects.
 */
export interface Driver {
  atomically(unit: readonly Statement[]): Promise<Outcome>
  all(query: Bound): Promise<Row[]>
  /** A number that changes when somebody else commits, where somebody else can. */
  dataVersion?(): number
  /** Empties the database's own log of changes, where it has one: what was deleted is then in no file. */
  truncateLog?(): Promise<void>
  close(): Promise<void>
}

export function isUniqueViolation(cause: unknown): boolean {
  return cause instanceof Error && /UNIQUE constraint failed/.test(cause.message)
}
