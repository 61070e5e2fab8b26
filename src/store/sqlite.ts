// Node only: SQLite through better-sqlite3.
import Database from 'better-sqlite3'
import { Failure } from '#core/failure.ts'
import { type Driver, isUniqueViolation, type Outcome, type Row, type Statement } from './driver.ts'
import { migrations } from './migrations.ts'
import type { Bound } from './template.ts'

/** Beyond this many waiting units the store refuses rather than queue without bound. */
const maxWaiting = 4096
/** Searches come in as many shapes as clients think of; the fixed statements are about fifty. */
const maxPrepared = 500

/** Search rows stand in order of their keyed hashes, so every commit touches pages all over the index: 64 MiB of them. */
const cacheKiB = 65_536
/** Pages of 4 KiB in the log before they go into the file: with the default of 1,000 every other group paid for that. */
const checkpointPages = 8_192

interface Waiting {
  unit: readonly Statement[]
  resolve(outcome: Outcome): void
  reject(cause: unknown): void
}

/**
 * A SQLite file with `synchronous=FULL` and group commit: units that arrive in one turn of the event loop share one
 * transaction and one fsync. One conflict fails one caller: a group in which a unit fails is done again with a savepoint
 * around each. Nearly all groups pass, and SQLite copies every page that a savepoint may have to give back.
 */
export function openSqlite(file: string): Driver {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('secure_delete = ON')
  db.pragma(`cache_size = -${cacheKiB}`)
  db.pragma(`wal_autocheckpoint = ${checkpointPages}`)
  db.pragma('busy_timeout = 5000')
  migrate(db)

  // https://www.sqlite.org/pragma.html#pragma_data_version: unchanged by commits of this connection.
  const dataVersion = db.prepare<[], number>('PRAGMA data_version').pluck()
  const prepared = new Map<string, Database.Statement>()
  let waiting: Waiting[] = []

  function prepare(sql: string): Database.Statement {
    const known = prepared.get(sql)
    if (known) return known
    const statement = db.prepare(sql)
    if (prepared.size >= maxPrepared) prepared.clear()
    prepared.set(sql, statement)
    return statement
  }

  function apply(unit: readonly Statement[]): Outcome {
    const rows: Row[] = []
    for (const statement of unit) {
      try {
        const ready = prepare(statement.sql)
        if (statement.returns) rows.push(ready.get(...statement.parameters) as Row)
        else ready.run(...statement.parameters)
      } catch (cause) {
        if (statement.guard && isUniqueViolation(cause)) return { ok: false, guard: statement.guard, cause }
        throw cause
      }
    }
    return { ok: true, rows }
  }

  /** The whole group at once; undefined when a unit of it fails, and nothing of the group is done then. */
  function applyTogether(group: readonly Waiting[]): (() => void)[] | undefined {
    const settle: (() => void)[] = []
    for (const each of group) {
      const outcome = applyOrFail(each.unit)
      if (!outcome?.ok) {
        prepare('ROLLBACK').run()
        prepare('BEGIN IMMEDIATE').run()
        return undefined
      }
      settle.push(() => each.resolve(outcome))
    }
    return settle
  }

  function applyOrFail(unit: readonly Statement[]): Outcome | undefined {
    try {
      return apply(unit)
    } catch (cause) {
      if (!db.inTransaction) throw cause
      return undefined
    }
  }

  function applyInSavepoint(each: Waiting): () => void {
    prepare('SAVEPOINT unit').run()
    try {
      const outcome = apply(each.unit)
      if (!outcome.ok) prepare('ROLLBACK TO unit').run()
      prepare('RELEASE unit').run()
      return () => each.resolve(outcome)
    } catch (cause) {
      if (!db.inTransaction) throw cause
      prepare('ROLLBACK TO unit').run()
      prepare('RELEASE unit').run()
      return () => each.reject(unavailable(cause))
    }
  }

  function flush() {
    const group = waiting
    waiting = []
    try {
      prepare('BEGIN IMMEDIATE').run()
      const settle = applyTogether(group) ?? group.map(applyInSavepoint)
      prepare('COMMIT').run()
      for (const each of settle) each()
    } catch (cause) {
      if (db.open && db.inTransaction) prepare('ROLLBACK').run()
      for (const each of group) each.reject(unavailable(cause))
    }
  }

  return {
    atomically: (unit) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= maxWaiting) {
          reject(new Failure('unavailable', 'The store is busy: try again'))
          return
        }
        if (waiting.length === 0) setImmediate(flush)
        waiting.push({ unit, resolve, reject })
      }),
    all: async ({ sql, parameters }: Bound) => {
      try {
        return prepare(sql).all(...parameters) as Row[]
      } catch (cause) {
        throw unavailable(cause)
      }
    },
    dataVersion: () => {
      try {
        return dataVersion.get() ?? 0
      } catch (cause) {
        throw unavailable(cause)
      }
    },
    truncateLog: async () => {
      db.pragma('wal_checkpoint(TRUNCATE)')
    },
    close: async () => {
      if (waiting.length > 0) flush()
      db.close()
    },
  }
}

function unavailable(cause: unknown): Failure {
  return new Failure('unavailable', 'The database did not answer', { cause })
}

function migrate(db: Database.Database): void {
  db.exec('CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY)')
  const done = db.prepare<[string], unknown>('SELECT 1 FROM migration WHERE name = ?')
  for (const { name, statements } of migrations) {
    const run = db.transaction(() => {
      if (done.get(name)) return
      for (const { sql } of statements) db.prepare(sql).run()
      db.prepare('INSERT INTO migration (name) VALUES (?)').run(name)
    })
    run.immediate()
  }
}
