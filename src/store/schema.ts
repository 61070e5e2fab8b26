import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely'
import { undated } from './date-range.ts'
import { searchParameters } from './search-parameters.ts'

/**
 * The tables. What stands in the clear: types, random or keyed ids, versions, times, states, log positions. All else is
 * sealed or a keyed hash (docs/threat-model.md says why each column may be read).
 */
export interface Tables {
  /** Every version of every resource; the primary key is If-Match. */
  version: {
    type: string
    id: string
    version: number
    updated: number
    /** Key id of the box that opens `body`; null for a deletion. */
    box: string | null
    body: Uint8Array | null
  }
  /** Search rows of current versions: token, reference and uri parameters as blind indexes over `Type.param` and value. */
  token_row: { hash: Uint8Array; id: string }
  /** Search rows of current versions: dates as milliseconds. `param` is `Type.name`. */
  date_row: { id: string; param: string; low: number; high: number }
  /** Sealed AuditEvents. */
  audit_event: { id: string; recorded: number; box: string; body: Uint8Array }
  /** The Merkle log: appended to, never changed (triggers). */
  leaf: { position: number; event: string; entry: Uint8Array }
  checkpoint: { size: number; note: string; peaks: Uint8Array }
  /** Full tiles of the Merkle tree: made from the leaves, appended to, never changed. */
  tile: { level: number; number: number; hashes: Uint8Array; root: Uint8Array }
  /** Sizes of the checkpoints that were taken outside. */
  anchor: { size: number }
  delivery: {
    seq: number
    id: string
    destination: string
    /** Keyed hash of patient and destination: deliveries of one lane keep their order. */
    lane: Uint8Array
    state: string
    attempt: number
    due: number
    lease: number
    created: number
    reason: string | null
    box: string
    body: Uint8Array
  }
  /** One row for each settled attempt: a second settlement of the same attempt violates the key. */
  attempt: { delivery: string; number: number; state: string; reason: string | null; at: number }
  /** Keyed hash of sender and message id → keyed hash of the body and the sealed answer (null: purged). */
  receipt: {
    key: Uint8Array
    hash: Uint8Array | null
    box: string | null
    answer: Uint8Array | null
    at: number
  }
  registration: { kind: string; id: string; box: string; body: Uint8Array }
  nonce: { key: Uint8Array; expires: number }
  counter: { name: string; value: number }
  /** Bulk exports: what was asked, and how far it is, sealed. One row an export; the key is the guard of its changes. */
  export_job: {
    id: string
    revision: number
    client: string
    state: string
    lease: number
    expires: number
    box: string
    body: Uint8Array
  }
  /** Keyed hashes of what an export gave away and told. */
  export_told: { export: string; hash: Uint8Array }
  /** Subscriptions that gather events. */
  subscription_live: { id: string }
  /** Versions stored while somebody is subscribed, until they were looked at (trigger). */
  waiting_change: { seq: number; type: string; id: string; version: number }
  /** What subscribers were to be told: `key` is a keyed hash of subscription and version. */
  subscription_event: {
    id: string
    subscription: string
    number: number
    key: Uint8Array
    at: number
    box: string
    body: Uint8Array
  }
  /** What the search rows of a parameter (`Type.param`) were made by, and how far a change of it is. */
  search_index: {
    param: string
    /** The definition as JSON; empty for a parameter that is no more. */
    definition: string
    /** JSON list of the definitions whose rows may stand still. */
    former: string
    building: number
    /** The last id that is done. */
    reached: string
  }
  migration: { name: string }
}

/** Builds and compiles statements for SQLite; runs none. */
export const sqlite = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
})

export interface Migration {
  name: string
  statements: CompiledQuery[]
}

const never = (table: string, act: 'UPDATE' | 'DELETE') =>
  sql`CREATE TRIGGER ${sql.raw(`${table}_no_${act.toLowerCase()} BEFORE ${act} ON ${table}`)}
      BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`.compile(sqlite)

/** Forward only; each runs once, in order, in a transaction of its own. */
export const migrations: readonly Migration[] = [
  {
    name: '001-first',
    statements: [
      sqlite.schema
        .createTable('version')
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('updated', 'integer', (c) => c.notNull())
        .addColumn('box', 'text')
        .addColumn('body', 'blob')
        .addUniqueConstraint('version_key', ['type', 'id', 'version'])
        .compile(),
      sqlite.schema
        .createTable('token_row')
        .addColumn('hash', 'blob', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('token_row_key', ['hash', 'id'])
        .modifyEnd(sql`WITHOUT ROWID`)
        .compile(),
      sqlite.schema
        .createTable('date_row')
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('param', 'text', (c) => c.notNull())
        .addColumn('low', 'integer', (c) => c.notNull())
        .addColumn('high', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('date_row_key', ['id', 'param', 'low', 'high'])
        .modifyEnd(sql`WITHOUT ROWID`)
        .compile(),
      sqlite.schema.createIndex('date_row_order').on('date_row').columns(['param', 'low', 'id']).compile(),
      sqlite.schema
        .createTable('audit_event')
        .addColumn('id', 'text', (c) => c.notNull().primaryKey())
        .addColumn('recorded', 'integer', (c) => c.notNull())
        .addColumn('box', 'text', (c) => c.notNull())
        .addColumn('body', 'blob', (c) => c.notNull())
        .compile(),
      sqlite.schema.createIndex('audit_event_order').on('audit_event').columns(['recorded', 'id']).compile(),
      sqlite.schema
        .createTable('leaf')
        .addColumn('position', 'integer', (c) => c.notNull().primaryKey())
        .addColumn('event', 'text', (c) => c.notNull().unique())
        .addColumn('entry', 'blob', (c) => c.notNull())
        .compile(),
      // REPLACE removes rows without asking a DELETE trigger: neither key of a new leaf may stand already.
      sql`CREATE TRIGGER leaf_in_order BEFORE INSERT ON leaf
          WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM leaf)
            OR EXISTS (SELECT 1 FROM leaf WHERE event = NEW.event)
          BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`.compile(sqlite),
      never('leaf', 'UPDATE'),
      never('leaf', 'DELETE'),
      sqlite.schema
        .createTable('checkpoint')
        .addColumn('size', 'integer', (c) => c.notNull().primaryKey())
        .addColumn('note', 'text', (c) => c.notNull())
        .addColumn('peaks', 'blob', (c) => c.notNull())
        .compile(),
      sql`CREATE TRIGGER checkpoint_in_order BEFORE INSERT ON checkpoint
          WHEN NEW.size <= (SELECT coalesce(max(size), -1) FROM checkpoint)
          BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`.compile(sqlite),
      never('checkpoint', 'UPDATE'),
      never('checkpoint', 'DELETE'),
      sqlite.schema
        .createTable('delivery')
        .addColumn('seq', 'integer', (c) => c.notNull().primaryKey())
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('destination', 'text', (c) => c.notNull())
        .addColumn('lane', 'blob', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('attempt', 'integer', (c) => c.notNull())
        .addColumn('due', 'integer', (c) => c.notNull())
        .addColumn('lease', 'integer', (c) => c.notNull())
        .addColumn('created', 'integer', (c) => c.notNull())
        .addColumn('reason', 'text')
        .addColumn('box', 'text', (c) => c.notNull())
        .addColumn('body', 'blob', (c) => c.notNull())
        .compile(),
      sql`CREATE INDEX delivery_open ON delivery (lane, seq) WHERE state IN ('queued', 'claimed')`.compile(
        sqlite,
      ),
      sqlite.schema
        .createTable('attempt')
        .addColumn('delivery', 'text', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('reason', 'text')
        .addColumn('at', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('attempt_key', ['delivery', 'number'])
        .modifyEnd(sql`WITHOUT ROWID`)
        .compile(),
      sqlite.schema
        .createTable('receipt')
        .addColumn('key', 'blob', (c) => c.notNull().primaryKey())
        .addColumn('hash', 'blob')
        .addColumn('box', 'text')
        .addColumn('answer', 'blob')
        .addColumn('at', 'integer', (c) => c.notNull())
        .compile(),
      sqlite.schema
        .createTable('registration')
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('box', 'text', (c) => c.notNull())
        .addColumn('body', 'blob', (c) => c.notNull())
        .addPrimaryKeyConstraint('registration_key', ['kind', 'id'])
        .compile(),
      sqlite.schema
        .createTable('nonce')
        .addColumn('key', 'blob', (c) => c.notNull().primaryKey())
        .addColumn('expires', 'integer', (c) => c.notNull())
        .modifyEnd(sql`WITHOUT ROWID`)
        .compile(),
      sqlite.schema
        .createTable('counter')
        .addColumn('name', 'text', (c) => c.notNull().primaryKey())
        .addColumn('value', 'integer', (c) => c.notNull())
        .compile(),
    ],
  },
  {
    // Resources without a date stand in the order of that date (index-rows).
    name: '002-undated',
    statements: Object.entries(searchParameters)
      .filter(([type]) => type !== 'AuditEvent')
      .flatMap(([type, parameters]) =>
        parameters
          .filter(({ kind, opened }) => kind === 'date' && !opened)
          .map(({ name }) => markUndated(type, `${type}.${name}`)),
      ),
  },
  {
    // The history of a type, newest first.
    name: '003-changes',
    statements: [
      sqlite.schema
        .createIndex('version_order')
        .on('version')
        .columns(['type', 'updated', 'id', 'version'])
        .compile(),
    ],
  },
  {
    name: '003-tiles',
    statements: [
      sqlite.schema
        .createTable('tile')
        .addColumn('level', 'integer', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('hashes', 'blob', (c) => c.notNull())
        .addColumn('root', 'blob', (c) => c.notNull())
        .addUniqueConstraint('tile_key', ['level', 'number'])
        .compile(),
      sql`CREATE TRIGGER tile_in_order BEFORE INSERT ON tile
          WHEN NEW.number <> (SELECT coalesce(max(number) + 1, 0) FROM tile WHERE level = NEW.level)
          BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`.compile(sqlite),
      never('tile', 'UPDATE'),
      never('tile', 'DELETE'),
      sqlite.schema
        .createTable('anchor')
        .addColumn('size', 'integer', (c) => c.notNull().primaryKey())
        .compile(),
    ],
  },
  {
    name: '004-exports',
    statements: [
      sqlite.schema
        .createTable('export_job')
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('revision', 'integer', (c) => c.notNull())
        .addColumn('client', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('lease', 'integer', (c) => c.notNull())
        .addColumn('expires', 'integer', (c) => c.notNull())
        .addColumn('box', 'text', (c) => c.notNull())
        .addColumn('body', 'blob', (c) => c.notNull())
        .addPrimaryKeyConstraint('export_job_key', ['id', 'revision'])
        .compile(),
      sqlite.schema
        .createTable('export_told')
        .addColumn('export', 'text', (c) => c.notNull())
        .addColumn('hash', 'blob', (c) => c.notNull())
        .addPrimaryKeyConstraint('export_told_key', ['export', 'hash'])
        .modifyEnd(sql`WITHOUT ROWID`)
        .compile(),
    ],
  },
  {
    name: '005-subscriptions',
    statements: [
      sqlite.schema
        .createTable('subscription_live')
        .addColumn('id', 'text', (c) => c.notNull().primaryKey())
        .compile(),
      sqlite.schema
        .createTable('waiting_change')
        .addColumn('seq', 'integer', (c) => c.notNull().primaryKey().autoIncrement())
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .compile(),
      // Whatever door a version came in by, and only while somebody listens.
      sql`CREATE TRIGGER version_waits AFTER INSERT ON version
          WHEN NEW.body IS NOT NULL AND NEW.type <> 'Subscription' AND EXISTS (SELECT 1 FROM subscription_live)
          BEGIN INSERT INTO waiting_change (type, id, version) VALUES (NEW.type, NEW.id, NEW.version); END`.compile(
        sqlite,
      ),
      sqlite.schema
        .createTable('subscription_event')
        .addColumn('id', 'text', (c) => c.notNull().primaryKey())
        .addColumn('subscription', 'text', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('key', 'blob', (c) => c.notNull().unique())
        .addColumn('at', 'integer', (c) => c.notNull())
        .addColumn('box', 'text', (c) => c.notNull())
        .addColumn('body', 'blob', (c) => c.notNull())
        .addUniqueConstraint('subscription_event_order', ['subscription', 'number'])
        .compile(),
      sql`CREATE INDEX delivery_subscription ON delivery (destination, created)
          WHERE destination > 'Subscription/' AND destination < 'Subscription0'`.compile(sqlite),
    ],
  },
  {
    name: '006-search-index',
    statements: [
      sqlite.schema
        .createTable('search_index')
        .addColumn('param', 'text', (c) => c.notNull().primaryKey())
        .addColumn('definition', 'text', (c) => c.notNull())
        .addColumn('former', 'text', (c) => c.notNull())
        .addColumn('building', 'integer', (c) => c.notNull())
        .addColumn('reached', 'text', (c) => c.notNull())
        .modifyEnd(sql`WITHOUT ROWID`)
        .compile(),
    ],
  },
]

function markUndated(type: string, param: string): CompiledQuery {
  return sql`INSERT INTO date_row (id, param, low, high)
      SELECT id, ${sql.lit(param)}, ${sql.lit(undated)}, ${sql.lit(undated)} FROM date_row AS live
      WHERE param = ${sql.lit(`${type}._lastUpdated`)}
        AND NOT EXISTS (SELECT 1 FROM date_row AS d WHERE d.id = live.id AND d.param = ${sql.lit(param)})
  `.compile(sqlite)
}
