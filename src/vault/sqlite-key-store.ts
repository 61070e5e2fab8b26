// Node only: the key store beside the keyring, a file of its own outside of the data and its backups.
import Database from 'better-sqlite3'
import type { KeyStore } from '#core/ports.ts'

interface Waiting {
  keyId: string
  wrap: Uint8Array
  resolve(standing: Uint8Array): void
  reject(cause: unknown): void
}

/** Wraps in SQLite (`synchronous=FULL`); those that arrive in one turn of the event loop share one fsync. */
export function openSqliteKeyStore(file: string): KeyStore & { close(): void } {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('CREATE TABLE IF NOT EXISTS wrap (id TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID')
  const find = db.prepare<[string], Uint8Array>('SELECT bytes FROM wrap WHERE id = ?').pluck()
  const add = db.prepare('INSERT INTO wrap (id, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING')
  const destroy = db.prepare('DELETE FROM wrap WHERE id = ?')
  const addAll = db.transaction((batch: Waiting[]) => {
    for (const { keyId, wrap } of batch) add.run(keyId, wrap)
  })
  let waiting: Waiting[] = []

  function flush() {
    const batch = waiting
    waiting = []
    try {
      addAll.immediate(batch)
    } catch (cause) {
      for (const each of batch) each.reject(cause)
      return
    }
    for (const each of batch) each.resolve(find.get(each.keyId) ?? each.wrap)
  }

  return {
    find: async (keyId) => find.get(keyId),
    add: (keyId, wrap) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(flush)
        waiting.push({ keyId, wrap, resolve, reject })
      }),
    destroy: async (keyId) => {
      db.pragma('secure_delete = ON')
      destroy.run(keyId)
      db.pragma('wal_checkpoint(TRUNCATE)')
    },
    close: () => {
      if (waiting.length > 0) flush()
      db.close()
    },
  }
}
