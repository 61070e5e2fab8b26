import { sql } from 'kysely'
import { sqlite as db } from './schema.ts'
import { type Template, template } from './template.ts'

/* The statements of bulk exports. */

type Bytes = Uint8Array

export const insertExport = template<{
  id: string
  revision: number
  client: string
  state: string
  lease: number
  expires: number
  box: string
  body: Bytes
}>((p) =>
  db.insertInto('export_job').values({
    id: p.id,
    revision: p.revision,
    client: p.client,
    state: p.state,
    lease: p.lease,
    expires: p.expires,
    box: p.box,
    body: p.body,
  }),
)
/** One row an export remains: the newest. */
export const deleteExportsBefore = template<{ id: string; revision: number }>((p) =>
  db.deleteFrom('export_job').where('id', '=', p.id).where('revision', '<', p.revision),
)
export const findExport = template<{ id: string }>((p) =>
  db.selectFrom('export_job').selectAll().where('id', '=', p.id).orderBy('revision', 'desc').limit(1),
)
export const claimExport = template<{ now: number; lease: number }>((p) =>
  db
    .updateTable('export_job')
    .set({ lease: p.lease })
    .where('id', 'in', (e) =>
      e
        .selectFrom('export_job')
        .select('id')
        .where('state', '=', 'preparing')
        .where('lease', '<=', p.now)
        .orderBy('lease')
        .limit(1),
    )
    .returningAll(),
)
export const countExports = template<{ client: string }>((p) =>
  db
    .selectFrom('export_job')
    .select(sql<number>`count(*)`.as('count'))
    .where('client', '=', p.client)
    .where('state', '=', 'preparing'),
)
export const nextExport = template<object>(() =>
  db
    .selectFrom('export_job')
    .select(sql<number | null>`min(lease)`.as('due'))
    .where('state', '=', 'preparing'),
)
export const sweepExports = template<{ now: number }>((p) =>
  db.deleteFrom('export_job').where('expires', '<', p.now),
)
export const sweepTold = template<object>(() =>
  db.deleteFrom('export_told').where('export', 'not in', (e) => e.selectFrom('export_job').select('id')),
)

/** Hashes as hexadecimal in one JSON list: a Durable Object takes a hundred parameters and no more. */
export const insertTold = template<{ export: string; hashes: string }>((p) => ({
  compile: () =>
    sql`INSERT OR IGNORE INTO export_told (export, hash)
        SELECT ${p.export}, unhex(value) FROM json_each(${p.hashes})`.compile(db),
}))
export const findTold = template<{ export: string; hashes: string }>((p) => ({
  compile: () =>
    sql`SELECT hash FROM export_told
        WHERE export = ${p.export} AND hash IN (SELECT unhex(value) FROM json_each(${p.hashes}))`.compile(db),
}))

interface Snapshot {
  type: string
  at: number
  limit: number
  fromUpdated: number
  fromId: string
  fromVersion: number
  toUpdated: number
  toId: string
  toVersion: number
  /** JSON list of hashes (hexadecimal) or ids. */
  among: string
}

const amongIds = {
  all: () => sql`TRUE`,
  hashes: (p: Snapshot) =>
    sql`v.id IN (SELECT t.id FROM token_row AS t WHERE t.hash IN (SELECT unhex(value) FROM json_each(${p.among})))`,
  ids: (p: Snapshot) => sql`v.id IN (SELECT value FROM json_each(${p.among}))`,
} as const

export type Among = keyof typeof amongIds

/** What stood at a moment: of each resource the newest version not after it; with whether there is a newer one now. */
function snapshotOf(deletions: boolean, among: Among): Template<Snapshot> {
  const newer = sql`SELECT 1 FROM version AS n WHERE n.type = v.type AND n.id = v.id AND n.version > v.version`
  return template<Snapshot>((p) => ({
    compile: () =>
      sql`SELECT v.*, EXISTS (${newer}) AS superseded FROM version AS v
          WHERE v.type = ${p.type} AND v.updated <= ${p.at}
            AND (v.updated, v.id, v.version) >= (${p.fromUpdated}, ${p.fromId}, ${p.fromVersion})
            AND (v.updated, v.id, v.version) <= (${p.toUpdated}, ${p.toId}, ${p.toVersion})
            AND v.body IS ${sql.raw(deletions ? 'NULL' : 'NOT NULL')}
            AND NOT EXISTS (${newer} AND (n.updated <= ${p.at} ${sql.raw(deletions ? '' : 'OR n.body IS NULL')}))
            AND ${amongIds[among](p)}
          ORDER BY v.updated, v.id, v.version LIMIT ${p.limit}`.compile(db),
  }))
}

export const snapshots: Readonly<Record<Among, { live: Template<Snapshot>; deleted: Template<Snapshot> }>> = {
  all: { live: snapshotOf(false, 'all'), deleted: snapshotOf(true, 'all') },
  hashes: { live: snapshotOf(false, 'hashes'), deleted: snapshotOf(true, 'hashes') },
  ids: { live: snapshotOf(false, 'ids'), deleted: snapshotOf(true, 'ids') },
}
