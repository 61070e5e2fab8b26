import { type RawBuilder, sql } from 'kysely'
import type { Vault } from '#core/ports.ts'
import type { SearchQuery } from '#core/query.ts'
import { undated } from './date-range.ts'
import type { Row } from './driver.ts'
import { type Filter, isOwnDate, limitNames, readFilters } from './filter.ts'
import { sqlite as db } from './schema.ts'
import { type Bound, type Template, template } from './template.ts'

/** Up to so many rows a filter is read whole and sorted; beyond, the rows are walked in the order asked for. */
const maxDriven = 2000
/** Clients think of many shapes; statements for so many are kept. */
const maxShapes = 500

type Values = Record<string, unknown>
type Text = RawBuilder<unknown>

const templates = new Map<string, Template<Values>>()

/**
 * A search as one statement: it starts from the filter with the fewest rows, or walks the rows of the sort key and stops
 * when the page is full; every other filter is a look-up for each row. SQLite knows nothing of how often a hash
 * occurs, so the filters are counted first, up to a limit. Columns: key (sort value) and those of `version` or
 * `audit_event`.
 */
export async function compileSearch(
  query: SearchQuery,
  vault: Vault,
  all: (query: Bound) => Promise<Row[]>,
): Promise<Bound> {
  const filters = await readFilters(query, vault)
  const driving = await fewest(filters, all)
  const descending = query.sort?.descending ?? false
  const dated = query.sort && !isOwnDate(query.type, query.sort.param) ? query.sort.param : undefined
  const shape: Shape = { type: query.type, filters, driving, descending, dated, after: !!query.after }
  const name = [
    query.type,
    driving,
    descending,
    dated,
    shape.after,
    ...filters.map(({ form }) => form),
  ].join()
  const values = { ...valuesOf(filters), at: query.after?.key, id: query.after?.id, limit: query.limit }
  return known(name, (p) => statement(shape, p)).bind(values)
}

interface Shape {
  type: string
  filters: readonly Filter[]
  /** The filter that the statement starts from; -1 for the order. */
  driving: number
  descending: boolean
  /** The date parameter that is sorted by; none for the date that the live row carries. */
  dated: string | undefined
  after: boolean
}

/** Kysely compiles a shape once; after that it is found by name. */
function known(name: string, build: (p: Values) => Text): Template<Values> {
  const found = templates.get(name)
  if (found) return found
  if (templates.size >= maxShapes) templates.clear()
  const made = template<Values>((p) => ({ compile: () => build(p).compile(db) }))
  templates.set(name, made)
  return made
}

function valuesOf(filters: readonly Filter[]): Values {
  return Object.fromEntries(
    filters.flatMap(({ values }, f) => values.map((value, v) => [`f${f}_${v}`, value])),
  )
}

/** The filter with the fewest rows, when they are few enough to be read whole; else -1. */
async function fewest(filters: readonly Filter[], all: (query: Bound) => Promise<Row[]>): Promise<number> {
  const ids = filters.findIndex((filter) => filter.kind === 'id')
  if (ids >= 0) return ids
  const forms = filters.map((filter) => (canDrive(filter) ? filter.form : ''))
  if (forms.every((form) => form === '')) return -1
  const probe = known(`probe ${forms.join()}`, (p) => {
    const counts = filters.map((filter, f) =>
      canDrive(filter)
        ? sql`(SELECT count(*) FROM (${rowsOf(filter, f, p)} LIMIT ${sql.lit(maxDriven + 1)}))`
        : sql`NULL`,
    )
    return sql`SELECT ${sql.join(counts.map((count, f) => sql`${count} AS ${sql.ref(`n${f}`)}`))}`
  })
  const [row = {}] = await all(probe.bind(valuesOf(filters)))
  const counts = filters.map((_, f) => (row[`n${f}`] as number | null) ?? Number.POSITIVE_INFINITY)
  const least = Math.min(...counts)
  return least <= maxDriven ? counts.indexOf(least) : -1
}

function canDrive(filter: Filter): boolean {
  if (filter.kind === 'token') return !filter.not
  return filter.kind === 'date' && !filter.own && filter.limits.includes('lowTo')
}

/** The ids that a filter finds, through its index; one of several values may find an id twice. */
function rowsOf(filter: Filter, f: number, p: Values): Text {
  const value = p[`f${f}_0`]
  if (filter.kind === 'id') return sql`SELECT DISTINCT value AS id FROM json_each(${value})`
  if (filter.kind === 'date') {
    const limits = within(filter, f, p, 'd')
    return sql`SELECT DISTINCT d.id AS id FROM date_row AS d WHERE d.param = ${sql.lit(filter.param)} AND ${limits}`
  }
  if (!filter.many) return sql`SELECT id FROM token_row WHERE hash = ${value}`
  return sql`SELECT DISTINCT id FROM token_row WHERE hash IN (SELECT unhex(value) FROM json_each(${value}))`
}

function statement(shape: Shape, p: Values): Text {
  const { type, descending } = shape
  const direction = sql.raw(descending ? 'DESC' : 'ASC')
  const page = sql`${shape.driving < 0 ? walked(shape, p) : driven(shape, p)}
    ORDER BY key ${direction}, id ${direction} LIMIT ${p.limit}`
  const audit = type === 'AuditEvent'
  const columns = sql.raw(
    audit ? 'b.id, b.recorded, b.box, b.body' : 'b.id, b.type, b.version, b.updated, b.box, b.body',
  )
  // The page's current versions in the same statement: nothing can be deleted between finding and reading.
  const current = audit
    ? sql`audit_event AS b WHERE b.id = page.id`
    : sql`version AS b WHERE b.id = page.id AND b.type = ${sql.lit(type)} AND b.version =
        (SELECT max(v.version) FROM version AS v WHERE v.type = ${sql.lit(type)} AND v.id = page.id)`
  return sql`SELECT page.key AS key, ${columns} FROM (${page}) AS page CROSS JOIN ${current}
    ORDER BY page.key ${direction}, page.id ${direction}`
}

/** From the filter with the fewest rows: all of them are read, then sorted. */
function driven(shape: Shape, p: Values): Text {
  const { type, filters, driving, descending, dated } = shape
  const [filter] = filters.slice(driving)
  if (!filter) throw new RangeError('There is no such filter')
  const key = dated
    ? sql`coalesce((SELECT ${sql.raw(descending ? 'max' : 'min')}(s.low) FROM date_row AS s
        WHERE s.id = live.id AND s.param = ${sql.lit(`${type}.${dated}`)}), ${sql.lit(undated)})`
    : low(type)
  const found = sql`SELECT live.id AS id, ${key} AS key FROM (${rowsOf(filter, driving, p)}) AS t
    CROSS JOIN ${live(type)} AND live.id = t.id AND ${others(shape, p)}`
  if (!shape.after) return found
  return sql`SELECT id, key FROM (${found}) AS found WHERE ${beyond(shape, p, sql`key`, sql`id`)}`
}

/** Along the index of the sort key, until the page is full. */
function walked(shape: Shape, p: Values): Text {
  const { type, dated, descending } = shape
  const conditions = others(shape, p)
  if (!dated) {
    return sql`SELECT live.id AS id, ${low(type)} AS key FROM ${live(type)}
      AND ${shape.after ? beyond(shape, p, low(type), sql`live.id`) : sql`TRUE`} AND ${conditions}`
  }
  const further = sql.raw(descending ? '>' : '<')
  // Of several dates in one resource the first in order counts.
  return sql`SELECT s.id AS id, s.low AS key FROM date_row AS s CROSS JOIN ${live(type)} AND live.id = s.id
    AND s.param = ${sql.lit(`${type}.${dated}`)}
    AND ${shape.after ? beyond(shape, p, sql`s.low`, sql`s.id`) : sql`TRUE`}
    AND NOT EXISTS (SELECT 1 FROM date_row AS o WHERE o.id = s.id AND o.param = s.param
      AND (o.low ${further} s.low OR (o.low = s.low AND o.high < s.high)))
    AND ${conditions}`
}

/** One row for each live resource of a type; AuditEvents stand in a table of their own. */
function live(type: string): Text {
  if (type === 'AuditEvent') return sql`audit_event AS live WHERE TRUE`
  return sql`date_row AS live WHERE live.param = ${sql.lit(`${type}._lastUpdated`)}`
}

function low(type: string): Text {
  return sql.raw(type === 'AuditEvent' ? 'live.recorded' : 'live.low')
}

function beyond({ descending }: Shape, p: Values, key: Text, id: Text): Text {
  return sql`(${key}, ${id}) ${sql.raw(descending ? '<' : '>')} (${p.at}, ${p.id})`
}

/** What the other filters ask of a live row, each by its key. */
function others({ filters, driving, type }: Shape, p: Values): Text {
  const conditions = filters.flatMap((filter, f) => (f === driving ? [] : [condition(filter, f, p, type)]))
  return conditions.length > 0 ? sql.join(conditions, sql` AND `) : sql`TRUE`
}

function condition(filter: Filter, f: number, p: Values, type: string): Text {
  const value = p[`f${f}_0`]
  if (filter.kind === 'id') return sql`live.id IN (SELECT value FROM json_each(${value}))`
  if (filter.kind === 'date') {
    if (filter.own) return within(filter, f, p, type === 'AuditEvent' ? 'recorded' : 'live')
    return sql`EXISTS (SELECT 1 FROM date_row AS d
      WHERE d.id = live.id AND d.param = ${sql.lit(filter.param)} AND ${within(filter, f, p, 'd')})`
  }
  const hash = filter.many
    ? sql`t.hash IN (SELECT unhex(value) FROM json_each(${value}))`
    : sql`t.hash = ${value}`
  const found = sql`EXISTS (SELECT 1 FROM token_row AS t WHERE ${hash} AND t.id = live.id)`
  return filter.not ? sql`NOT ${found}` : found
}

const operators = { lowFrom: 'low >=', lowTo: 'low <=', highFrom: 'high >=', highTo: 'high <=' } as const

/** Whether a row of dates is in one of the windows. */
function within(filter: Filter, f: number, p: Values, row: 'd' | 'live' | 'recorded'): Text {
  const side = (limit: (typeof limitNames)[number]) =>
    sql.raw(row === 'recorded' ? `live.recorded ${operators[limit].slice(-2)}` : `${row}.${operators[limit]}`)
  if (filter.many) {
    const sides = limitNames.map((limit, at) => sql`${side(limit)} w.value ->> ${sql.lit(at)}`)
    return sql`EXISTS (SELECT 1 FROM json_each(${p[`f${f}_0`]}) AS w WHERE ${sql.join(sides, sql` AND `)})`
  }
  const sides = filter.limits.map((limit, at) => sql`${side(limit)} ${p[`f${f}_${at}`]}`)
  return sides.length > 0 ? sql`(${sql.join(sides, sql` AND `)})` : sql`TRUE`
}
