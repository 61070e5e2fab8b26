// Node only: reads the audit log of a SQLite file beside whoever writes it, and nothing else of it.
import Database from 'better-sqlite3'
import type { LogRow } from '#core/ports.ts'
import { logRows } from './statements.ts'

/** As `Store.logRows`; the bodies stay sealed, and no key is needed. Throws what SQLite throws. */
export function openSqliteLog(file: string): (from: number, limit: number) => LogRow[] {
  const db = new Database(file, { readonly: true, fileMustExist: true })
  const { sql } = logRows.bind({ from: 0, limit: 0 })
  const statement = db.prepare<unknown[], [number, string, Uint8Array, Uint8Array | null]>(sql).raw()
  return (from, limit) =>
    statement.all(...logRows.bind({ from, limit }).parameters).map(([position, eventId, entry, sealed]) => ({
      position,
      eventId,
      entry,
      ...(sealed ? { sealed } : {}),
    }))
}
