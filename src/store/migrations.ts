import { type CompiledQuery, sql } from 'kysely'
import { undated } from './date-range.ts'
import { sqlite } from './schema.ts'
import { searchParameters } from './search-parameters.ts'

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
  {
    name: '007-ledger',
    statements: [
      sqlite.schema
        .createTable('ledger_entry')
        .addColumn('chain', 'blob', (c) => c.notNull())
        .addColumn('position', 'integer', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('hash', 'blob', (c) => c.notNull())
        .addColumn('box', 'text', (c) => c.notNull())
        .addColumn('body', 'blob', (c) => c.notNull())
        .addUniqueConstraint('ledger_entry_key', ['chain', 'position'])
        .compile(),
      // In SQLite's own words for a key that is taken: whoever wanted that place has lost it.
      sql`CREATE TRIGGER ledger_in_order BEFORE INSERT ON ledger_entry
          WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 1) FROM ledger_entry WHERE chain = NEW.chain)
          BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: the ledger is append-only'); END`.compile(
        sqlite,
      ),
      never('ledger_entry', 'UPDATE'),
      never('ledger_entry', 'DELETE'),
      sqlite.schema
        .createTable('ledger_backlog')
        .addColumn('seq', 'integer', (c) => c.notNull().primaryKey())
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .compile(),
      // What is sealed cannot be read here: the store makes the entries (store/ledger).
      sql`INSERT INTO ledger_backlog (type, id, version) SELECT type, id, version FROM version
          WHERE type IN ('Communication', 'QuestionnaireResponse') ORDER BY updated, id, version`.compile(
        sqlite,
      ),
      sqlite.schema
        .createTable('ledger_late')
        .addColumn('seq', 'integer', (c) => c.notNull().primaryKey().autoIncrement())
        .addColumn('id', 'text', (c) => c.notNull())
        .compile(),
      sql`CREATE TRIGGER ledger_comes_late AFTER INSERT ON ledger_entry
          WHEN NEW.kind = 'received'
            AND EXISTS (SELECT 1 FROM ledger_entry WHERE chain = NEW.chain AND kind = 'signed')
          BEGIN INSERT INTO ledger_late (id) VALUES (NEW.id); END`.compile(sqlite),
    ],
  },
  {
    name: '008-sessions',
    statements: [
      sqlite.schema
        .createTable('session')
        .addColumn('key', 'blob', (c) => c.notNull().primaryKey())
        .addColumn('used', 'integer', (c) => c.notNull())
        .addColumn('expires', 'integer', (c) => c.notNull())
        .addColumn('box', 'text', (c) => c.notNull())
        .addColumn('body', 'blob', (c) => c.notNull())
        .modifyEnd(sql`WITHOUT ROWID`)
        .compile(),
    ],
  },
  {
    name: '009-erasure',
    statements: [
      sqlite.schema
        .createTable('tombstone')
        .addColumn('box', 'text', (c) => c.notNull().primaryKey())
        .addColumn('at', 'integer', (c) => c.notNull())
        .modifyEnd(sql`WITHOUT ROWID`)
        .compile(),
      ...(['version', 'delivery', 'receipt', 'subscription_event'] as const).map((table) =>
        sqlite.schema.createIndex(`${table}_box`).on(table).column('box').compile(),
      ),
      // Another process may hold a key in memory that was destroyed: what it seals would be lost.
      ...['version', 'ledger_entry', 'delivery', 'receipt', 'subscription_event'].map((table) =>
        sql`CREATE TRIGGER ${sql.raw(`${table}_under_no_destroyed_key BEFORE INSERT ON ${table}`)}
            WHEN EXISTS (SELECT 1 FROM tombstone WHERE box = NEW.box)
            BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: the key was destroyed'); END`.compile(
          sqlite,
        ),
      ),
      // Nothing leaves a ledger but with the data key that it is sealed under; what stays of it keeps place and hash.
      sql`DROP TRIGGER ledger_entry_no_delete`.compile(sqlite),
      sql`DROP TRIGGER ledger_entry_no_update`.compile(sqlite),
      sql`CREATE TRIGGER ledger_entry_no_delete BEFORE DELETE ON ledger_entry
          WHEN NOT EXISTS (SELECT 1 FROM tombstone WHERE box = OLD.box)
          BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`.compile(sqlite),
      sql`CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE ON ledger_entry
          WHEN NOT EXISTS (SELECT 1 FROM tombstone WHERE box = OLD.box)
            OR (NEW.chain, NEW.position, NEW.id, NEW.kind, NEW.hash)
              IS NOT (OLD.chain, OLD.position, OLD.id, OLD.kind, OLD.hash)
          BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`.compile(sqlite),
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
