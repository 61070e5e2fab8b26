import { type AliasedExpression, type Expression, type SqlBool, sql } from 'kysely'
import { Failure } from '#core/failure.ts'
import type { Box, Vault } from '#core/ports.ts'
import type { Criterion, DateWindow, SearchQuery } from '#core/query.ts'
import type { Reference } from '#core/resource.ts'
import { sqlite as db } from './schema.ts'
import { searchParameters } from './search-parameters.ts'
import type { Bound } from './template.ts'

/** Where a resource without the sort date stands: before all others. */
const undated = -8_640_000_000_000_000

/**
 * A search as one statement: walk the rows of the sort key, or of the first equality, and keep those for which every
 * criterion has a row. Columns: key (sort value) and those of `version` or `audit_event`.
 */
export async function compileSearch(query: SearchQuery, vault: Vault): Promise<Bound> {
  const patientBox = await boxOfPatient(query, vault)
  const descending = query.sort?.descending ?? false
  const direction = descending ? 'desc' : 'asc'
  const sortParam = query.sort && !isOwnDate(query.type, query.sort.param) ? query.sort.param : undefined
  const key = sortParam
    ? sql<number>`coalesce((SELECT ${sql.raw(descending ? 'max(low)' : 'min(low)')} FROM date_row AS s
        WHERE s.id = live.id AND s.param = ${`${query.type}.${sortParam}`}), ${undated})`
    : sql<number>`live.low`
  const rows = db
    .selectFrom(liveRows(query.type).as('live'))
    .select(['live.id as id', key.as('key')])
    .where((e) =>
      e.and(query.criteria.map((criterion) => condition(criterion, query.type, vault, patientBox))),
    )
  let page = db.selectFrom(rows.as('found')).selectAll('found')
  if (query.after) {
    const { key: at, id } = query.after
    const beyond = descending ? '<' : '>'
    page = page.where((e) => e.or([e('key', beyond, at), e.and([e('key', '=', at), e('id', beyond, id)])]))
  }
  const found = page.orderBy('key', direction).orderBy('id', direction).limit(query.limit)
  return withBodies(query.type, found.as('page'), direction)
}

type Page = AliasedExpression<{ id: string; key: number }, 'page'>

/** The page's current versions, in the same statement: nothing can be deleted between finding and reading. */
function withBodies(type: string, page: Page, direction: 'asc' | 'desc'): Bound {
  if (type === 'AuditEvent') {
    return db
      .selectFrom(page)
      .innerJoin('audit_event', 'audit_event.id', 'page.id')
      .select(['page.key as key', 'audit_event.id as id', 'recorded', 'box', 'body'])
      .orderBy('key', direction)
      .orderBy('id', direction)
      .compile()
  }
  return db
    .selectFrom(page)
    .innerJoin('version', (join) =>
      join
        .onRef('version.id', '=', 'page.id')
        .on('version.type', '=', type)
        .on(
          'version.version',
          '=',
          sql<number>`(SELECT max(version) FROM version AS v WHERE v.type = ${type} AND v.id = page.id)`,
        ),
    )
    .select(['page.key as key', 'version.id as id', 'type', 'version', 'updated', 'box', 'body'])
    .orderBy('key', direction)
    .orderBy('id', direction)
    .compile()
}

/** One row for each live resource of a type; AuditEvents stand in a table of their own. */
function liveRows(type: string) {
  if (type === 'AuditEvent')
    return db.selectFrom('audit_event').select(['id', 'recorded as low', 'recorded as high'])
  return db.selectFrom('date_row').select(['id', 'low', 'high']).where('param', '=', `${type}._lastUpdated`)
}

function condition(
  criterion: Criterion,
  type: string,
  vault: Vault,
  box: Box | undefined,
): Expression<SqlBool> {
  if (criterion.kind === 'id')
    return sql<SqlBool>`live.id IN (SELECT value FROM json_each(${JSON.stringify(criterion.values)}))`
  if (criterion.kind === 'date') return anyWindow(criterion.windows, criterion.param, type)
  const field = `${type}.${criterion.param}`
  const perPatient = searchParameters[type]?.find(
    (each) => each.name === baseName(criterion.param),
  )?.perPatient
  const hashes = criterion.values.map((value) => {
    if (!perPatient) return vault.index(field, value)
    return box ? box.index(field, value) : new Uint8Array(16)
  })
  const found = sql<SqlBool>`live.id IN (SELECT id FROM token_row WHERE ${anyHash(hashes)})`
  return criterion.not ? sql<SqlBool>`NOT (${found})` : found
}

/** A list travels as one JSON parameter: a Durable Object takes a hundred parameters and no more. */
function anyHash(hashes: readonly Uint8Array[]): Expression<SqlBool> {
  const [only, ...more] = hashes
  if (only && more.length === 0) return sql<SqlBool>`hash = ${only}`
  const list = JSON.stringify(hashes.map((hash) => hash.reduce((text, byte) => text + hex(byte), '')))
  return sql<SqlBool>`hash IN (SELECT unhex(value) FROM json_each(${list}))`
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

/** The date that the live row itself carries. */
function isOwnDate(type: string, param: string): boolean {
  return param === '_lastUpdated' || (type === 'AuditEvent' && param === 'date')
}

function baseName(param: string): string {
  return param.split(':')[0] ?? param
}

function anyWindow(windows: readonly DateWindow[], param: string, type: string): Expression<SqlBool> {
  const own = isOwnDate(type, param)
  const parts = windows.map(({ lowFrom, lowTo, highFrom, highTo }) => {
    const row = own ? 'live' : 'd'
    const limits = [
      lowFrom === undefined ? undefined : sql<SqlBool>`${sql.ref(`${row}.low`)} >= ${lowFrom}`,
      lowTo === undefined ? undefined : sql<SqlBool>`${sql.ref(`${row}.low`)} <= ${lowTo}`,
      highFrom === undefined ? undefined : sql<SqlBool>`${sql.ref(`${row}.high`)} >= ${highFrom}`,
      highTo === undefined ? undefined : sql<SqlBool>`${sql.ref(`${row}.high`)} <= ${highTo}`,
    ].filter((each) => each !== undefined)
    const all = limits.length > 0 ? sql.join(limits, sql` AND `) : sql`TRUE`
    if (own) return sql<SqlBool>`(${all})`
    return sql<SqlBool>`EXISTS (SELECT 1 FROM date_row AS d
      WHERE d.id = live.id AND d.param = ${`${type}.${param}`} AND ${all})`
  })
  return sql<SqlBool>`(${sql.join(parts, sql` OR `)})`
}

/** Values under a patient's own key can be looked for only where the query names that patient. */
async function boxOfPatient(query: SearchQuery, vault: Vault): Promise<Box | undefined> {
  const telling = query.criteria.some(
    (each) =>
      each.kind === 'token' &&
      searchParameters[query.type]?.some((known) => known.name === baseName(each.param) && known.perPatient),
  )
  if (!telling) return undefined
  for (const each of query.criteria) {
    if (each.kind !== 'token' || each.not || each.values.length !== 1) continue
    const [value] = each.values
    if (['patient', 'subject'].includes(each.param) && value?.startsWith('Patient/')) {
      return vault.find(value as Reference)
    }
  }
  throw new Failure('too-costly', 'This parameter is searched within one patient: add the patient parameter')
}
