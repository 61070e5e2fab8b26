// Node only: the key store beside the keyring, a file of its own outside of the data and its backups.
import Database from 'better-sqlite3'
import type { KeyStore } from '#core/ports.ts'

/** A change of the store, and what to say when it is durable. */
interface Waiting {
  apply(): void
  done(): void
  reject(cause: unknown): void
}

/** Wraps in SQLite (`synchronous=FULL`); changes that arrive in one turn of the event loop share one fsync. */
export function openSqliteKeyStore(file: string): KeyStore & { close(): void } {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('CREATE TABLE IF NOT EXISTS wrap (id TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID')
  db.exec('CREATE TABLE IF NOT EXISTS uses (id TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID')
  db.exec('CREATE TABLE IF NOT EXISTS destroyed (id TEXT PRIMARY KEY) WITHOUT ROWID')
  const find = db.prepare<[string], Uint8Array>('SELECT bytes FROM wrap WHERE id = ?').pluck()
  const add = db.prepare(
    `INSERT INTO wrap (id, bytes) SELECT @id, @wrap WHERE NOT EXISTS (SELECT 1 FROM destroyed WHERE id = @id)
     ON CONFLICT DO NOTHING`,
  )
  const destroyed = db.prepare<[], string>('SELECT id FROM destroyed ORDER BY id').pluck()
  const wasDestroyed = db.prepare<[string], number>('SELECT 1 FROM destroyed WHERE id = ?').pluck()
  const destroy = db.transaction((keyId: string) => {
    db.prepare('INSERT INTO destroyed (id) VALUES (?) ON CONFLICT DO NOTHING').run(keyId)
    db.prepare('DELETE FROM wrap WHERE id = ?').run(keyId)
    db.prepare('DELETE FROM uses WHERE id = ?').run(keyId)
  })
  const list = db.prepare<[string, number], { keyId: string; wrap: Uint8Array }>(
    'SELECT id AS keyId, bytes AS wrap FROM wrap WHERE id > ? ORDER BY id LIMIT ?',
  )
  const replace = db.prepare('UPDATE wrap SET bytes = ? WHERE id = ? AND bytes = ?')
  const count = db
    .prepare<[string, number], number>(
      `INSERT INTO uses (id, count) VALUES (?, ?)
       ON CONFLICT (id) DO UPDATE SET count = count + excluded.count RETURNING count`,
    )
    .pluck()
  const applyAll = db.transaction((batch: Waiting[]) => {
    for (const { apply } of batch) apply()
  })
  let waiting: Waiting[] = []

  function flush() {
    const batch = waiting
    waiting = []
    try {
      applyAll.immediate(batch)
    } catch (cause) {
      for (const each of batch) each.reject(cause)
      return
    }
    for (const each of batch) each.done()
  }

  /** Changes with the others of this turn; resolves with what the change found, when that is durable. */
  function change<T>(act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let found: T
      if (waiting.length === 0) setImmediate(flush)
      waiting.push({
        apply: () => {
          found = act()
        },
        done: () => resolve(found),
        reject,
      })
    })
  }

  return {
    find: async (keyId) => find.get(keyId),
    add: (keyId, wrap) =>
      change(() => {
        add.run({ id: keyId, wrap })
        return find.get(keyId)
      }),
    list: async (after, limit) => list.all(after ?? '', limit),
    replace: (keyId, old, wrap) => change(() => replace.run(wrap, keyId, old).changes === 1),
    countUses: (keyId, uses) => change(() => count.get(keyId, uses) ?? uses),
    destroy: async (keyId) => {
      db.pragma('secure_delete = ON')
      destroy.immediate(keyId)
      db.pragma('wal_checkpoint(TRUNCATE)')
    },
    wasDestroyed: async (keyId) => wasDestroyed.get(keyId) !== undefined,
    destroyed: async () => destroyed.all(),
    close: () => {
      if (waiting.length > 0) flush()
      db.close()
    },
  }
}
