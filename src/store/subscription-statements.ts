import { sql } from 'kysely'
import { sqlite as db } from './schema.ts'
import { template } from './template.ts'

/* The statements of subscriptions. */

type Bytes = Uint8Array

export const insertLive = template<{ id: string }>((p) =>
  db
    .insertInto('subscription_live')
    .values({ id: p.id })
    .onConflict((c) => c.doNothing()),
)
export const deleteLive = template<{ id: string }>((p) =>
  db.deleteFrom('subscription_live').where('id', '=', p.id),
)
export const listLive = template<object>(() => db.selectFrom('subscription_live').selectAll().orderBy('id'))

export const waitingChanges = template<{ limit: number }>((p) =>
  db.selectFrom('waiting_change').selectAll().orderBy('seq').limit(p.limit),
)
export const deleteChanges = template<{ seq: number }>((p) =>
  db.deleteFrom('waiting_change').where('seq', '<=', p.seq),
)

/** The number is found by the database, in the unit that the event stands in: without gaps. */
export const insertEvent = template<{
  id: string
  subscription: string
  key: Bytes
  at: number
  box: string
  body: Bytes
}>((p) =>
  db
    .insertInto('subscription_event')
    .columns(['id', 'subscription', 'number', 'key', 'at', 'box', 'body'])
    .expression((e) =>
      e
        .selectFrom('subscription_event')
        .select([
          sql<string>`${p.id}`.as('id'),
          sql<string>`${p.subscription}`.as('subscription'),
          sql<number>`coalesce(max(number) + 1, 1)`.as('number'),
          sql<Bytes>`${p.key}`.as('key'),
          sql<number>`${p.at}`.as('at'),
          sql<string>`${p.box}`.as('box'),
          sql<Bytes>`${p.body}`.as('body'),
        ])
        .where('subscription', '=', p.subscription),
    ),
)
export const countEvents = template<{ subscription: string }>((p) =>
  db
    .selectFrom('subscription_event')
    .select(sql<number>`coalesce(max(number), 0)`.as('count'))
    .where('subscription', '=', p.subscription),
)
export const findEvent = template<{ id: string }>((p) =>
  db.selectFrom('subscription_event').selectAll().where('id', '=', p.id),
)
export const listEvents = template<{ subscription: string; from: number; until: number; limit: number }>(
  (p) =>
    db
      .selectFrom('subscription_event')
      .selectAll()
      .where('subscription', '=', p.subscription)
      .where('number', '>=', p.from)
      .where('number', '<=', p.until)
      .orderBy('number')
      .limit(p.limit),
)
/** The newest of each stays: it holds the count. */
export const sweepEvents = template<{ before: number }>((p) =>
  db
    .deleteFrom('subscription_event')
    .where('at', '<', p.before)
    .where(
      sql<boolean>`number < (SELECT max(number) FROM subscription_event AS n WHERE n.subscription = subscription_event.subscription)`,
    ),
)
/** In the words of the index (schema), so that it is used. */
export const lastDelivery = template<{ destination: string }>((p) =>
  db
    .selectFrom('delivery')
    .select(sql<number | null>`max(created)`.as('created'))
    .where('destination', '=', p.destination)
    .where(sql<boolean>`destination > 'Subscription/' AND destination < 'Subscription0'`),
)
