import { sql } from 'kysely'
import { sqlite as db } from './schema.ts'
import { template } from './template.ts'

/*
 * Statements of fixed shape, compiled once when the store is loaded: those of versions, receipts, registrations and the
 * log. Deliveries, exports, subscriptions and the building of search rows have files of their own.
 */

type Bytes = Uint8Array

export const insertVersion = template<{
  type: string
  id: string
  version: number
  updated: number
  box: string | null
  body: Bytes | null
}>((p) =>
  db.insertInto('version').values({
    type: p.type,
    id: p.id,
    version: p.version,
    updated: p.updated,
    box: p.box,
    body: p.body,
  }),
)

export const deleteToken = template<{ hash: Bytes; id: string }>((p) =>
  db.deleteFrom('token_row').where('hash', '=', p.hash).where('id', '=', p.id),
)
export const insertDate = template<{ id: string; param: string; low: number; high: number }>((p) =>
  db
    .insertInto('date_row')
    .values({ id: p.id, param: p.param, low: p.low, high: p.high })
    .onConflict((c) => c.doNothing()),
)
export const deleteDates = template<{ id: string; param: string }>((p) =>
  db.deleteFrom('date_row').where('id', '=', p.id).where('param', '=', p.param),
)

export const insertAuditEvent = template<{ id: string; recorded: number; box: string; body: Bytes }>((p) =>
  db.insertInto('audit_event').values({ id: p.id, recorded: p.recorded, box: p.box, body: p.body }),
)
/** The next position is found by the database, so that a unit that fails leaves no gap. */
export const appendLeaf = template<{ event: string; entry: Bytes }>((p) =>
  db
    .insertInto('leaf')
    .columns(['position', 'event', 'entry'])
    .expression((e) =>
      e
        .selectFrom('leaf')
        .select([
          sql<number>`coalesce(max(position) + 1, 0)`.as('position'),
          sql<string>`${p.event}`.as('event'),
          sql<Bytes>`${p.entry}`.as('entry'),
        ]),
    )
    .returning('position'),
)

export const insertReceipt = template<{
  key: Bytes
  hash: Bytes | null
  box: string | null
  answer: Bytes | null
  at: number
}>((p) =>
  db.insertInto('receipt').values({ key: p.key, hash: p.hash, box: p.box, answer: p.answer, at: p.at }),
)
export const findReceipt = template<{ key: Bytes }>((p) =>
  db.selectFrom('receipt').selectAll().where('key', '=', p.key),
)

export const putRegistration = template<{ kind: string; id: string; box: string; body: Bytes }>((p) =>
  db
    .insertInto('registration')
    .values({ kind: p.kind, id: p.id, box: p.box, body: p.body })
    .onConflict((c) =>
      c
        .columns(['kind', 'id'])
        .doUpdateSet((e) => ({ box: e.ref('excluded.box'), body: e.ref('excluded.body') })),
    ),
)
export const findRegistration = template<{ kind: string; id: string }>((p) =>
  db.selectFrom('registration').selectAll().where('kind', '=', p.kind).where('id', '=', p.id),
)
export const listRegistrations = template<{ kind: string }>((p) =>
  db.selectFrom('registration').selectAll().where('kind', '=', p.kind).orderBy('id'),
)

export const insertNonce = template<{ key: Bytes; expires: number }>((p) =>
  db.insertInto('nonce').values({ key: p.key, expires: p.expires }),
)
/** A value that is used again lives as long as its last use says. */
export const rememberNonce = template<{ key: Bytes; expires: number }>((p) =>
  db
    .insertInto('nonce')
    .values({ key: p.key, expires: p.expires })
    .onConflict((c) => c.column('key').doUpdateSet((e) => ({ expires: e.ref('excluded.expires') }))),
)
export const findNonce = template<{ key: Bytes }>((p) =>
  db.selectFrom('nonce').select('expires').where('key', '=', p.key),
)
export const sweepNonces = template<{ now: number }>((p) =>
  db.deleteFrom('nonce').where('expires', '<', p.now),
)

export const raiseCounter = template<{ name: string }>((p) =>
  db
    .insertInto('counter')
    .values({ name: p.name, value: 1 })
    .onConflict((c) => c.column('name').doUpdateSet((e) => ({ value: e('counter.value', '+', 1) }))),
)
export const listCounters = template<object>(() => db.selectFrom('counter').selectAll().orderBy('name'))

export const readCurrent = template<{ type: string; id: string }>((p) =>
  db
    .selectFrom('version')
    .selectAll()
    .where('type', '=', p.type)
    .where('id', '=', p.id)
    .orderBy('version', 'desc')
    .limit(1),
)
export const readVersion = template<{ type: string; id: string; version: number }>((p) =>
  db
    .selectFrom('version')
    .selectAll()
    .where('type', '=', p.type)
    .where('id', '=', p.id)
    .where('version', '=', p.version),
)
export const readHistory = template<{ type: string; id: string; before: number; limit: number }>((p) =>
  db
    .selectFrom('version')
    .selectAll()
    .where('type', '=', p.type)
    .where('id', '=', p.id)
    .where('version', '<', p.before)
    .orderBy('version', 'desc')
    .limit(p.limit),
)
export const readChanges = template<{
  type: string
  updated: number
  id: string
  version: number
  limit: number
}>((p) =>
  db
    .selectFrom('version')
    .selectAll()
    .where('type', '=', p.type)
    .where(sql<boolean>`(updated, id, version) < (${p.updated}, ${p.id}, ${p.version})`)
    .orderBy('updated', 'desc')
    .orderBy('id', 'desc')
    .orderBy('version', 'desc')
    .limit(p.limit),
)
export const readAuditEvent = template<{ id: string }>((p) =>
  db.selectFrom('audit_event').selectAll().where('id', '=', p.id),
)

export const logSize = template<object>(() =>
  db.selectFrom('leaf').select(sql<number>`coalesce(max(position) + 1, 0)`.as('size')),
)
export const logRows = template<{ from: number; limit: number }>((p) =>
  db
    .selectFrom('leaf')
    .leftJoin('audit_event', 'audit_event.id', 'leaf.event')
    .select(['leaf.position', 'leaf.event', 'leaf.entry', 'audit_event.body', 'audit_event.box'])
    .where('leaf.position', '>=', p.from)
    .orderBy('leaf.position')
    .limit(p.limit),
)
export const logPosition = template<{ event: string }>((p) =>
  db.selectFrom('leaf').select('position').where('event', '=', p.event),
)
export const listCheckpoints = template<object>(() => db.selectFrom('checkpoint').selectAll().orderBy('size'))
export const lastCheckpoint = template<object>(() =>
  db.selectFrom('checkpoint').selectAll().orderBy('size', 'desc').limit(1),
)
export const addCheckpoint = template<{ size: number; note: string; peaks: Bytes }>((p) =>
  db.insertInto('checkpoint').values({ size: p.size, note: p.note, peaks: p.peaks }),
)
export const anchoredSize = template<object>(() =>
  db.selectFrom('anchor').select(sql<number>`coalesce(max(size), 0)`.as('size')),
)
export const addAnchored = template<{ size: number }>((p) =>
  db
    .insertInto('anchor')
    .values({ size: p.size })
    .onConflict((c) => c.doNothing()),
)

export const tileCount = template<{ level: number }>((p) =>
  db
    .selectFrom('tile')
    .select(sql<number>`coalesce(max(number) + 1, 0)`.as('count'))
    .where('level', '=', p.level),
)
export const readTile = template<{ level: number; number: number }>((p) =>
  db.selectFrom('tile').select('hashes').where('level', '=', p.level).where('number', '=', p.number),
)
export const tileRoots = template<{ level: number; from: number; limit: number }>((p) =>
  db
    .selectFrom('tile')
    .select('root')
    .where('level', '=', p.level)
    .where('number', '>=', p.from)
    .orderBy('number')
    .limit(p.limit),
)
/** Two processes may lay out the same tiles at once: they are the same bytes, and the second does nothing. */
export const addTile = template<{ level: number; number: number; hashes: Bytes; root: Bytes }>((p) =>
  db
    .insertInto('tile')
    .columns(['level', 'number', 'hashes', 'root'])
    .expression(() =>
      db
        .selectNoFrom([
          sql<number>`${p.level}`.as('level'),
          sql<number>`${p.number}`.as('number'),
          sql<Bytes>`${p.hashes}`.as('hashes'),
          sql<Bytes>`${p.root}`.as('root'),
        ])
        .where(
          sql<boolean>`NOT EXISTS (SELECT 1 FROM tile WHERE level = ${p.level} AND number = ${p.number})`,
        ),
    ),
)
