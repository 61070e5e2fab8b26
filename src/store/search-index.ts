import { Failure } from '#core/failure.ts'
import type { SearchQuery } from '#core/query.ts'
import { definitionTypes } from '#core/unstored.ts'
import type { Driver } from './driver.ts'
import { declareIndexes, holdsType, listIndexes } from './reindex-statements.ts'
import type { Tables } from './schema.ts'
import { type SearchParameter, searchParameters } from './search-parameters.ts'

/** Raise it when the rows that are made from the same definition change (index-rows, string-prefixes). */
const rowsVersion = 1

/** A parameter whose rows are not all there, or not all gone. */
export interface Building {
  /** `Type.param` */
  param: string
  type: string
  /** None for a parameter that is no more. */
  parameter: SearchParameter | undefined
  /** Definitions whose rows may stand still. */
  former: readonly SearchParameter[]
  /** Resources up to this id are done. */
  reached: string
}

/** Which search parameters the rows in the store were made by, and which of them are being made anew. */
export interface SearchIndex {
  /** Empty nearly always, and then without asking the database. */
  building(): Promise<readonly Building[]>
  /** The same, asked anew: another process may have gone on. */
  refresh(): Promise<readonly Building[]>
  /** Throws Failure `unavailable` for a search by a parameter that does not find everything yet. */
  requireComplete(query: SearchQuery): Promise<void>
}

type Row = Tables['search_index']

export function createSearchIndex(driver: Driver): SearchIndex {
  let known: Promise<readonly Building[]> | undefined

  async function read(): Promise<Row[]> {
    return (await driver.all(listIndexes.bind({}))) as unknown as Row[]
  }

  /** Compares what the rows were made by with what they should be made by, and writes the difference down. */
  async function open(): Promise<readonly Building[]> {
    const changed = await changes(await read(), async (type) => {
      const found = await driver.all(holdsType.bind({ type }))
      return found.length > 0
    })
    if (changed.length > 0) {
      await driver.atomically([declareIndexes.bind({ rows: JSON.stringify(changed) })])
    }
    return (await read()).flatMap(buildingOf)
  }

  function building(): Promise<readonly Building[]> {
    known ??= open().catch((fault) => {
      known = undefined
      throw fault
    })
    return known
  }

  async function refresh(): Promise<readonly Building[]> {
    if ((await building()).length > 0) known = read().then((rows) => rows.flatMap(buildingOf))
    return building()
  }

  return {
    building,
    refresh,
    async requireComplete(query) {
      const asked = namesOf(query)
      const isAsked = ({ param }: Building) => asked.has(param)
      if (!(await building()).some(isAsked)) return
      const wanting = (await refresh()).find(isAsked)
      if (!wanting) return
      const text = `The index of the search parameter ${wanting.param} is being built: ask again later.`
      throw new Failure('unavailable', text, { retryAfterSeconds: 30 })
    },
  }
}

function namesOf({ type, criteria, sort }: SearchQuery): Set<string> {
  const names = criteria.flatMap((each) => (each.kind === 'id' ? [] : [each.param.split(':')[0]]))
  return new Set([...names, sort?.param].map((name) => `${type}.${name}`))
}

/** AuditEvent's rows come with the audit entry; definitions have none. */
const elsewhere: readonly string[] = ['AuditEvent', ...definitionTypes]

/** Definitions by `Type.param`: what is indexed, and how. */
function definitions(): Map<string, string> {
  const all = Object.entries(searchParameters).filter(([type]) => !elsewhere.includes(type))
  return new Map(
    all.flatMap(([type, parameters]) =>
      parameters
        .filter(({ opened }) => !opened)
        .map(({ name, kind, paths, targets, perPatient, system }) => {
          const definition = { rows: rowsVersion, name, kind, paths, targets, perPatient, system }
          return [`${type}.${name}`, JSON.stringify(definition)] as const
        }),
    ),
  )
}

interface Declared {
  param: string
  definition: string
  former: string
  building: 0 | 1
}

async function changes(rows: readonly Row[], holds: (type: string) => Promise<boolean>): Promise<Declared[]> {
  const wanted = definitions()
  const stored = new Map(rows.map((row) => [row.param, row]))
  const held = new Map<string, boolean>()
  const changed: Declared[] = []
  for (const param of new Set([...wanted.keys(), ...stored.keys()])) {
    const definition = wanted.get(param) ?? ''
    const row = stored.get(param)
    if (row?.definition === definition) continue
    const type = typeOf(param)
    const some = held.get(type) ?? (await holds(type))
    held.set(type, some)
    const former = row?.definition
      ? [...parseFormer(row), JSON.parse(row.definition)]
      : row
        ? parseFormer(row)
        : []
    changed.push({ param, definition, former: JSON.stringify(some ? former : []), building: some ? 1 : 0 })
  }
  return changed
}

function buildingOf(row: Row): Building[] {
  if (row.building === 0) return []
  const parameter = row.definition ? (JSON.parse(row.definition) as SearchParameter) : undefined
  return [
    { param: row.param, type: typeOf(row.param), parameter, former: parseFormer(row), reached: row.reached },
  ]
}

function parseFormer(row: Row): SearchParameter[] {
  return JSON.parse(row.former)
}

function typeOf(param: string): string {
  return param.slice(0, param.indexOf('.'))
}
