import { sql } from 'kysely'
import { sqlite as db } from './schema.ts'
import { template } from './template.ts'

/* The statements of deliveries: queued, claimed under a lease, settled. */

type Bytes = Uint8Array

export const insertDelivery = template<{
  id: string
  destination: string
  lane: Bytes
  state: string
  reason: string | null
  due: number
  created: number
  box: string
  body: Bytes
}>((p) =>
  db
    .insertInto('delivery')
    .columns([
      'seq',
      'id',
      'destination',
      'lane',
      'state',
      'attempt',
      'due',
      'lease',
      'created',
      'reason',
      'box',
      'body',
    ])
    .expression((e) =>
      e
        .selectFrom('delivery')
        .select([
          sql<number>`coalesce(max(seq) + 1, 1)`.as('seq'),
          sql<string>`${p.id}`.as('id'),
          sql<string>`${p.destination}`.as('destination'),
          sql<Bytes>`${p.lane}`.as('lane'),
          sql<string>`${p.state}`.as('state'),
          sql<number>`0`.as('attempt'),
          sql<number>`${p.due}`.as('due'),
          sql<number>`0`.as('lease'),
          sql<number>`${p.created}`.as('created'),
          sql<string | null>`${p.reason}`.as('reason'),
          sql<string>`${p.box}`.as('box'),
          sql<Bytes>`${p.body}`.as('body'),
        ]),
    ),
)

export const insertAttempt = template<{
  delivery: string
  number: number
  state: string
  reason: string | null
  at: number
}>((p) =>
  db.insertInto('attempt').values({
    delivery: p.delivery,
    number: p.number,
    state: p.state,
    reason: p.reason,
    at: p.at,
  }),
)
/** Only the attempt that holds the claim changes the delivery; a late one leaves its row in `attempt` and no more. */
export const settleDelivery = template<{
  delivery: string
  number: number
  state: string
  reason: string | null
  due: number
}>((p) =>
  db
    .updateTable('delivery')
    .set({ state: p.state, reason: p.reason, due: p.due, lease: 0 })
    .where('id', '=', p.delivery)
    .where('attempt', '=', p.number),
)
export const requeueDelivery = template<{ delivery: string; due: number }>((p) =>
  db
    .updateTable('delivery')
    .set({ state: 'queued', due: p.due, lease: 0, reason: null })
    .where('id', '=', p.delivery)
    .where('state', 'in', ['dead', 'stopped']),
)
export const releaseDelivery = template<{
  id: string
  held: string
  due: number
  box: string
  body: Bytes
}>((p) =>
  db
    .updateTable('delivery')
    .set({ state: 'queued', due: p.due, reason: null, box: p.box, body: p.body })
    .where('id', '=', p.id)
    .where('state', '=', 'stopped')
    .where('reason', '=', p.held),
)
export const deliveryState = template<{ id: string }>((p) =>
  db.selectFrom('delivery').select('state').where('id', '=', p.id),
)
const claimable = (p: { now: number }) => sql<boolean>`(
    (state = 'queued' AND due <= ${p.now}) OR (state = 'claimed' AND lease <= ${p.now}))`
/** In so many words: only then does SQLite see that the index of open deliveries holds them all. */
const isOpen = sql<boolean>`state IN ('queued', 'claimed')`
const firstOfLane = sql<boolean>`NOT EXISTS (SELECT 1 FROM delivery AS earlier
    WHERE earlier.lane = delivery.lane AND earlier.seq < delivery.seq AND earlier.state IN ('queued', 'claimed'))`
/** `room` is how many of one destination may be under way, `underway` how many are, as JSON: `{"ehr": 3}`. */
export const claimDeliveries = template<{
  now: number
  lease: number
  limit: number
  room: number
  underway: string
}>((p) =>
  db
    .updateTable('delivery')
    .set((e) => ({ state: 'claimed', attempt: e('attempt', '+', 1), lease: p.lease }))
    .where('seq', 'in', (e) =>
      e
        .selectFrom((due) =>
          due
            .selectFrom('delivery')
            .select([
              'seq',
              'destination',
              sql<number>`row_number() OVER (PARTITION BY destination ORDER BY seq)`.as('place'),
            ])
            .where(isOpen)
            .where(claimable(p))
            .where(firstOfLane)
            .as('due'),
        )
        .select('seq')
        .where(
          sql<boolean>`place <= ${p.room} - coalesce(
            (SELECT value FROM json_each(${p.underway}) WHERE key = due.destination), 0)`,
        )
        .orderBy('seq')
        .limit(p.limit),
    )
    .returningAll(),
)
/** `notBefore` as JSON, by destination: milliseconds since the epoch, or null for never. */
export const nextDelivery = template<{ notBefore: string }>((p) =>
  db
    .selectFrom('delivery')
    .select(
      sql<number>`min(max(CASE state WHEN 'queued' THEN due ELSE lease END,
        coalesce((SELECT value FROM json_each(${p.notBefore}) WHERE key = destination), 0)))`.as('due'),
    )
    .where(isOpen)
    .where(firstOfLane)
    .where(sql<boolean>`destination NOT IN (SELECT key FROM json_each(${p.notBefore}) WHERE type = 'null')`),
)
export const listDeliveries = template<{ limit: number }>((p) =>
  db.selectFrom('delivery').selectAll().orderBy('seq', 'desc').limit(p.limit),
)
