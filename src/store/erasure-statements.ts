import { sql } from 'kysely'
import { sqlite as db, erasedBox } from './schema.ts'
import { template } from './template.ts'

/* The statements of erasure. `box` is the id of the data key that is about to be destroyed. */

type Bytes = Uint8Array

export const listVersions = template<{ box: string }>((p) =>
  db
    .selectFrom('version')
    .selectAll()
    .where('box', '=', p.box)
    .orderBy('type')
    .orderBy('id')
    .orderBy('version'),
)
export const listDeliveries = template<{ box: string }>((p) =>
  db.selectFrom('delivery').selectAll().where('box', '=', p.box),
)
export const listLedger = template<{ box: string }>((p) =>
  db.selectFrom('ledger_entry').selectAll().where('box', '=', p.box),
)
export const countReceipts = template<{ box: string }>((p) =>
  db.selectFrom('receipt').select(sql<number>`count(*)`.as('count')).where('box', '=', p.box),
)
export const countEvents = template<{ box: string }>((p) =>
  db.selectFrom('subscription_event').select(sql<number>`count(*)`.as('count')).where('box', '=', p.box),
)

/** Does a version twice, and so violates the key, where there are more or fewer of them than were looked at. */
export const expectVersions = template<{ box: string; count: number }>((p) =>
  db
    .insertInto('version')
    .columns(['type', 'id', 'version', 'updated', 'box', 'body'])
    .expression((e) =>
      e
        .selectFrom('version')
        .select(['type', 'id', 'version', 'updated', 'box', 'body'])
        .where('box', '=', p.box)
        .where(sql<boolean>`(SELECT count(*) FROM version WHERE box = ${p.box}) <> ${p.count}`)
        .limit(1),
    ),
)
export const addTombstone = template<{ box: string; at: number }>((p) =>
  db
    .insertInto('tombstone')
    .values({ box: p.box, at: p.at })
    .onConflict((c) => c.doNothing()),
)
export const listTombstones = template<object>(() => db.selectFrom('tombstone').select('box'))

export const resealVersion = template<{
  type: string
  id: string
  version: number
  box: string
  body: Bytes
}>((p) =>
  db
    .updateTable('version')
    .set({ box: p.box, body: p.body })
    .where('type', '=', p.type)
    .where('id', '=', p.id)
    .where('version', '=', p.version),
)
export const resealLedger = template<{ id: string; box: string; body: Bytes }>((p) =>
  db.updateTable('ledger_entry').set({ box: p.box, body: p.body }).where('id', '=', p.id),
)
export const resealDelivery = template<{ id: string; box: string; body: Bytes }>((p) =>
  db.updateTable('delivery').set({ box: p.box, body: p.body }).where('id', '=', p.id),
)

/** `from` and `until` enclose the names of a type's parameters: `Type.` and `Type/`. */
export const deleteAllDates = template<{ id: string; from: string; until: string }>((p) =>
  db.deleteFrom('date_row').where('id', '=', p.id).where('param', '>', p.from).where('param', '<', p.until),
)
export const deleteWaiting = template<{ type: string; id: string }>((p) =>
  db.deleteFrom('waiting_change').where('type', '=', p.type).where('id', '=', p.id),
)
export const deleteBacklogOf = template<{ type: string; id: string }>((p) =>
  db.deleteFrom('ledger_backlog').where('type', '=', p.type).where('id', '=', p.id),
)
export const deleteVersions = template<{ type: string; id: string; box: string }>((p) =>
  db.deleteFrom('version').where('type', '=', p.type).where('id', '=', p.id).where('box', '=', p.box),
)
/** That it was deleted is all that is left of it. */
export const deleteDeletions = template<{ type: string; id: string }>((p) =>
  db
    .deleteFrom('version')
    .where('type', '=', p.type)
    .where('id', '=', p.id)
    .where(
      sql<boolean>`NOT EXISTS (SELECT 1 FROM version AS v WHERE v.type = ${p.type} AND v.id = ${p.id} AND v.box IS NOT NULL)`,
    ),
)
export const deleteAccount = template<{ id: string }>((p) =>
  db.deleteFrom('registration').where('kind', '=', 'account').where('id', '=', p.id),
)

const boxed = 'SELECT id FROM version WHERE box = '

/** What goes with a key whatever stays, in this order; what stays was sealed anew before. */
export const withKey = {
  ledgerLate: template<{ box: string }>((p) =>
    db
      .deleteFrom('ledger_late')
      .where(sql<boolean>`id IN (SELECT id FROM ledger_entry WHERE box = ${p.box})`),
  ),
  ledger: template<{ box: string }>((p) => db.deleteFrom('ledger_entry').where('box', '=', p.box)),
  attempts: template<{ box: string }>((p) =>
    db.deleteFrom('attempt').where(sql<boolean>`delivery IN (SELECT id FROM delivery WHERE box = ${p.box})`),
  ),
  deliveries: template<{ box: string }>((p) => db.deleteFrom('delivery').where('box', '=', p.box)),
  /** The same message again is answered `erased`. */
  receipts: template<{ box: string }>((p) =>
    db
      .updateTable('receipt')
      .set({ hash: null, answer: null, box: sql.lit(erasedBox) })
      .where('box', '=', p.box),
  ),
  events: template<{ box: string }>((p) =>
    db
      .deleteFrom('subscription_event')
      .where('box', '=', p.box)
      .where(
        sql<boolean>`number < (SELECT max(number) FROM subscription_event AS n WHERE n.subscription = subscription_event.subscription)`,
      ),
  ),
  /** The newest of a subscription holds its count. */
  newestEvents: template<{ box: string }>((p) =>
    db
      .updateTable('subscription_event')
      .set({ box: sql.lit(erasedBox), body: sql`x''` })
      .where('box', '=', p.box),
  ),
}

/** For rows that no key opens any more: every row of the index is looked at. */
export const unopened = {
  tokens: template<{ box: string }>((p) =>
    db.deleteFrom('token_row').where(sql<boolean>`id IN (${sql.raw(boxed)}${p.box})`),
  ),
  dates: template<{ box: string }>((p) =>
    db.deleteFrom('date_row').where(sql<boolean>`id IN (${sql.raw(boxed)}${p.box})`),
  ),
  deletions: template<{ box: string }>((p) =>
    db
      .deleteFrom('version')
      .where('box', 'is', null)
      .where(sql<boolean>`(type, id) IN (SELECT type, id FROM version WHERE box = ${p.box})`),
  ),
  versions: template<{ box: string }>((p) => db.deleteFrom('version').where('box', '=', p.box)),
}
