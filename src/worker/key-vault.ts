import { DurableObject, type ObjectState } from 'cloudflare:workers'
import type { KeyStore } from '#core/ports.ts'

/** How many checkpoints are kept. One a minute is made at the most, and only when something happened. */
const keptCheckpoints = 10_000

/**
 * What a clinic's own object must not hold: its wrapped data keys, so that no copy of the data brings them along, and
 * copies of its log's checkpoints, against which a log cut short shows. One object a clinic, called by its Clinic only.
 * The platform can turn any object back by up to 30 days: a destroyed wrap is gone for good after that.
 */
export class KeyVault extends DurableObject implements KeyStore {
  constructor(ctx: ObjectState, env: unknown) {
    super(ctx, env)
    const { sql } = ctx.storage
    sql.exec('CREATE TABLE IF NOT EXISTS wrap (id TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID')
    sql.exec('CREATE TABLE IF NOT EXISTS uses (id TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID')
    sql.exec('CREATE TABLE IF NOT EXISTS destroyed (id TEXT PRIMARY KEY) WITHOUT ROWID')
    sql.exec('CREATE TABLE IF NOT EXISTS anchor (number INTEGER PRIMARY KEY, note TEXT NOT NULL)')
  }

  async find(keyId: string): Promise<Uint8Array | undefined> {
    const [row] = this.ctx.storage.sql.exec('SELECT bytes FROM wrap WHERE id = ?', keyId).toArray()
    return row && new Uint8Array(row.bytes as ArrayBuffer)
  }

  /** The answer leaves when the wrap is durable: the object's output gate holds it back until then. */
  async add(keyId: string, wrap: Uint8Array): Promise<Uint8Array | undefined> {
    if (await this.wasDestroyed(keyId)) return undefined
    const { sql } = this.ctx.storage
    sql.exec('INSERT INTO wrap (id, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING', keyId, wrap.slice().buffer)
    return this.find(keyId)
  }

  async wasDestroyed(keyId: string): Promise<boolean> {
    return this.ctx.storage.sql.exec('SELECT 1 FROM destroyed WHERE id = ?', keyId).toArray().length > 0
  }

  async destroyed(): Promise<string[]> {
    const rows = this.ctx.storage.sql.exec('SELECT id FROM destroyed ORDER BY id').toArray()
    return rows.map(({ id }) => String(id))
  }

  async destroy(keyId: string): Promise<void> {
    this.ctx.storage.sql.exec('INSERT INTO destroyed (id) VALUES (?) ON CONFLICT DO NOTHING', keyId)
    this.ctx.storage.sql.exec('DELETE FROM wrap WHERE id = ?', keyId)
    this.ctx.storage.sql.exec('DELETE FROM uses WHERE id = ?', keyId)
  }

  async list(after: string | undefined, limit: number): Promise<{ keyId: string; wrap: Uint8Array }[]> {
    const query = 'SELECT id, bytes FROM wrap WHERE id > ? ORDER BY id LIMIT ?'
    const rows = this.ctx.storage.sql.exec(query, after ?? '', limit).toArray()
    return rows.map(({ id, bytes }) => ({ keyId: String(id), wrap: new Uint8Array(bytes as ArrayBuffer) }))
  }

  async replace(keyId: string, old: Uint8Array, wrap: Uint8Array): Promise<boolean> {
    const query = 'UPDATE wrap SET bytes = ? WHERE id = ? AND bytes = ? RETURNING id'
    const { sql } = this.ctx.storage
    return sql.exec(query, wrap.slice().buffer, keyId, old.slice().buffer).toArray().length === 1
  }

  async countUses(keyId: string, uses: number): Promise<number> {
    const query = `INSERT INTO uses (id, count) VALUES (?, ?)
      ON CONFLICT (id) DO UPDATE SET count = count + excluded.count RETURNING count`
    const [row] = this.ctx.storage.sql.exec(query, keyId, uses).toArray()
    return Number(row?.count ?? uses)
  }

  async anchor(note: string): Promise<void> {
    const { sql } = this.ctx.storage
    sql.exec('INSERT INTO anchor (note) VALUES (?)', note)
    sql.exec('DELETE FROM anchor WHERE number <= (SELECT max(number) FROM anchor) - ?', keptCheckpoints)
  }

  /** Signed notes, oldest first. */
  async anchored(): Promise<string[]> {
    const rows = this.ctx.storage.sql.exec('SELECT note FROM anchor ORDER BY number').toArray()
    return rows.map(({ note }) => String(note))
  }
}
