// Node only: fills a database file that nobody else has open, and that is thrown away when filling it breaks off.
import Database from 'better-sqlite3'
import type { Driver, Row } from '#store/driver.ts'
import { openSqlite } from '#store/sqlite.ts'

/** Search rows lie about in the order of their keyed hashes: what is held need not be read and written again. */
const cacheKiB = 2 * 1024 * 1024

/**
 * The same statements on the same tables, in one transaction to the end and with no journal: nothing can be rolled back,
 * and nothing is durable before `close` has resolved. For data that can be made again, and for nothing else.
 */
export async function openBulk(file: string): Promise<Driver> {
  // The tables are made as they always are.
  await openSqlite(file).close()
  const db = new Database(file)
  db.pragma('journal_mode = OFF')
  db.pragma('synchronous = OFF')
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma(`cache_size = -${cacheKiB}`)
  db.exec('BEGIN')
  const prepared = new Map<string, Database.Statement>()

  function prepare(sql: string): Database.Statement {
    const known = prepared.get(sql)
    if (known) return known
    const statement = db.prepare(sql)
    prepared.set(sql, statement)
    return statement
  }

  return {
    async atomically(unit) {
      const rows: Row[] = []
      for (const { sql, parameters, returns } of unit) {
        if (returns) rows.push(prepare(sql).get(...parameters) as Row)
        else prepare(sql).run(...parameters)
      }
      return { ok: true, rows }
    },
    all: async ({ sql, parameters }) => prepare(sql).all(...parameters) as Row[],
    async close() {
      db.exec('COMMIT')
      db.close()
    },
  }
}
