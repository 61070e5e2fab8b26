import { Failure } from '#core/failure.ts'
import { type Driver, isUniqueViolation, type Outcome, type Row, type Statement } from './driver.ts'
import { migrations } from './migrations.ts'
import type { Bound } from './template.ts'

/** The part of a Durable Object's storage that the store uses. */
export interface SqlStorage {
  sql: { exec(query: string, ...bindings: unknown[]): { toArray(): Row[] } }
  transactionSync<T>(closure: () => T): T
}

class Violation extends Error {
  readonly outcome: Outcome
  constructor(outcome: Outcome) {
    super('guard')
    this.outcome = outcome
  }
}

/**
 * The SQLite of a Durable Object. `transactionSync` makes the unit atomic; the object's output gate holds every answer
 * back until its writes are durable, so there is nothing to group here.
 */
export function openDurableObject(storage: SqlStorage): Driver {
  const run = (query: Bound) =>
    storage.sql
      .exec(query.sql, ...query.parameters.map(toBinding))
      .toArray()
      .map(fromRow)
  migrate(storage)

  function apply(unit: readonly Statement[]): Row[] {
    const rows: Row[] = []
    for (const statement of unit) {
      try {
        const [first] = run(statement)
        if (statement.returns && first) rows.push(first)
      } catch (cause) {
        if (statement.guard && isUniqueViolation(cause))
          throw new Violation({ ok: false, guard: statement.guard, cause })
        throw cause
      }
    }
    return rows
  }

  return {
    atomically: async (unit) => {
      try {
        return { ok: true, rows: storage.transactionSync(() => apply(unit)) }
      } catch (cause) {
        if (cause instanceof Violation) return cause.outcome
        throw new Failure('unavailable', 'The database did not answer', { cause })
      }
    },
    all: async (query) => {
      try {
        return run(query)
      } catch (cause) {
        throw new Failure('unavailable', 'The database did not answer', { cause })
      }
    },
    close: async () => {},
  }
}

function migrate(storage: SqlStorage): void {
  storage.sql.exec('CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY)')
  for (const { name, statements } of migrations) {
    storage.transactionSync(() => {
      if (storage.sql.exec('SELECT 1 FROM migration WHERE name = ?', name).toArray().length > 0) return
      for (const { sql } of statements) storage.sql.exec(sql)
      storage.sql.exec('INSERT INTO migration (name) VALUES (?)', name)
    })
  }
}

/** Blobs go in as exact ArrayBuffers and come out as such. */
function toBinding(value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value
  return value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength)
}

function fromRow(row: Row): Row {
  const read: Row = {}
  for (const [name, value] of Object.entries(row))
    read[name] = value instanceof ArrayBuffer ? new Uint8Array(value) : value
  return read
}
