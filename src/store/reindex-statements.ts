import { sql } from 'kysely'
import { sqlite as db } from './schema.ts'
import { template } from './template.ts'

/* The statements that follow a change of search parameters. Lists travel as JSON; hashes in it are hexadecimal. */

export const listIndexes = template<object>(() => db.selectFrom('search_index').selectAll().orderBy('param'))

/** `rows`: `[{param, definition, former, building}]`; what was reached before counts no more. */
export const declareIndexes = template<{ rows: string }>((p) => ({
  compile: () =>
    sql`INSERT INTO search_index (param, definition, former, building, reached)
      SELECT value ->> 'param', value ->> 'definition', value ->> 'former', value ->> 'building', ''
      FROM json_each(${p.rows}) WHERE TRUE
      ON CONFLICT (param) DO UPDATE SET definition = excluded.definition, former = excluded.former,
        building = excluded.building, reached = ''`.compile(db),
}))

export const holdsType = template<{ type: string }>((p) =>
  db.selectFrom('version').select('type').where('type', '=', p.type).limit(1),
)

/** Current versions of a type in order of id, deletions included. */
export const readBatch = template<{ type: string; after: string; limit: number }>((p) =>
  db
    .selectFrom('version')
    .selectAll()
    .where('type', '=', p.type)
    .where('id', '>', p.after)
    .where(
      sql<boolean>`version = (SELECT max(v.version) FROM version AS v WHERE v.type = version.type AND v.id = version.id)`,
    )
    .orderBy('id')
    .limit(p.limit),
)

export const countAfter = template<{ param: string; after: string }>((p) =>
  db
    .selectFrom('date_row')
    .select(sql<number>`count(*)`.as('count'))
    .where('param', '=', p.param)
    .where('id', '>', p.after),
)

interface OfVersion {
  type: string
  id: string
  version: number
  rows: string
}

/** Only while the version that the rows are of is the current one: a write in between brought its own. */
const isCurrent = (p: OfVersion) =>
  sql<boolean>`${p.version} = (SELECT max(v.version) FROM version AS v WHERE v.type = ${p.type} AND v.id = ${p.id})`

export const deleteTokensOf = template<OfVersion>((p) => ({
  compile: () =>
    sql`DELETE FROM token_row WHERE id = ${p.id} AND hash IN (SELECT unhex(value) FROM json_each(${p.rows}))
      AND ${isCurrent(p)}`.compile(db),
}))
export const insertTokensOf = template<OfVersion>((p) => ({
  compile: () =>
    sql`INSERT INTO token_row (hash, id) SELECT unhex(value), ${p.id} FROM json_each(${p.rows})
      WHERE ${isCurrent(p)} ON CONFLICT DO NOTHING`.compile(db),
}))
export const deleteDatesOf = template<OfVersion>((p) => ({
  compile: () =>
    sql`DELETE FROM date_row WHERE id = ${p.id} AND param IN (SELECT value FROM json_each(${p.rows}))
      AND ${isCurrent(p)}`.compile(db),
}))
export const insertDatesOf = template<OfVersion>((p) => ({
  compile: () =>
    sql`INSERT INTO date_row (id, param, low, high)
      SELECT ${p.id}, value ->> 'param', value ->> 'low', value ->> 'high' FROM json_each(${p.rows})
      WHERE ${isCurrent(p)} ON CONFLICT DO NOTHING`.compile(db),
}))

export const reachIndexes = template<{ params: string; reached: string }>((p) => ({
  compile: () =>
    sql`UPDATE search_index SET reached = ${p.reached}
      WHERE param IN (SELECT value FROM json_each(${p.params}))`.compile(db),
}))
/** What has no definition any more has no rows any more. */
export const forgetIndexes = template<{ params: string }>((p) => ({
  compile: () =>
    sql`DELETE FROM search_index WHERE definition = '' AND param IN (SELECT value FROM json_each(${p.params}))`.compile(
      db,
    ),
}))
export const completeIndexes = template<{ params: string }>((p) => ({
  compile: () =>
    sql`UPDATE search_index SET building = 0, former = '[]', reached = ''
      WHERE param IN (SELECT value FROM json_each(${p.params}))`.compile(db),
}))
