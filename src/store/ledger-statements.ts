import { sql } from 'kysely'
import { sqlite as db } from './schema.ts'
import { template } from './template.ts'

/* The statements of ledgers. */

type Bytes = Uint8Array

interface NewRow {
  chain: Bytes
  id: string
  kind: string
  hash: Bytes
  box: string
  body: Bytes
}

/**
 * The position is found by the database, in the unit that the entry stands in: without gaps, and nobody waits. A version
 * that has its entry already, made by two processes at once after an upgrade, gets no second one.
 */
export const appendEntry = template<NewRow>((p) =>
  db
    .insertInto('ledger_entry')
    .columns(['chain', 'position', 'id', 'kind', 'hash', 'box', 'body'])
    .expression((e) =>
      e
        .selectFrom('ledger_entry')
        .select([
          sql<Bytes>`${p.chain}`.as('chain'),
          sql<number>`coalesce(max(position) + 1, 1)`.as('position'),
          sql<string>`${p.id}`.as('id'),
          sql<string>`${p.kind}`.as('kind'),
          sql<Bytes>`${p.hash}`.as('hash'),
          sql<string>`${p.box}`.as('box'),
          sql<Bytes>`${p.body}`.as('body'),
        ])
        .where('chain', '=', p.chain),
    )
    .onConflict((c) => c.column('id').doNothing()),
)
/** Here or nowhere. */
export const placeEntry = template<NewRow & { position: number }>((p) =>
  db.insertInto('ledger_entry').values({
    chain: p.chain,
    position: p.position,
    id: p.id,
    kind: p.kind,
    hash: p.hash,
    box: p.box,
    body: p.body,
  }),
)
export const listEntries = template<{ chain: Bytes; from: number; limit: number }>((p) =>
  db
    .selectFrom('ledger_entry')
    .selectAll()
    .where('chain', '=', p.chain)
    .where('position', '>=', p.from)
    .orderBy('position')
    .limit(p.limit),
)

/** Takes the place of the next version where the one expected is not the last any more: the key is violated. */
export const expectVersion = template<{ type: string; id: string; version: number }>((p) =>
  db
    .insertInto('version')
    .columns(['type', 'id', 'version', 'updated', 'box', 'body'])
    .expression((e) =>
      e
        .selectFrom('version')
        .select(['type', 'id', 'version', 'updated', 'box', 'body'])
        .where('type', '=', p.type)
        .where('id', '=', p.id)
        .where('version', '>', p.version),
    ),
)

export const backlog = template<{ limit: number }>((p) =>
  db.selectFrom('ledger_backlog').selectAll().orderBy('seq').limit(p.limit),
)
export const deleteBacklog = template<{ seq: number }>((p) =>
  db.deleteFrom('ledger_backlog').where('seq', '=', p.seq),
)

export const lateEntries = template<{ limit: number }>((p) =>
  db
    .selectFrom('ledger_late')
    .innerJoin('ledger_entry', 'ledger_entry.id', 'ledger_late.id')
    .select(['ledger_late.seq', 'ledger_entry.id', 'ledger_entry.box', 'ledger_entry.body'])
    .orderBy('ledger_late.seq')
    .limit(p.limit),
)
export const deleteLate = template<{ seq: number }>((p) =>
  db.deleteFrom('ledger_late').where('seq', '<=', p.seq),
)
