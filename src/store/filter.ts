import { Failure } from '#core/failure.ts'
import type { Box, Vault } from '#core/ports.ts'
import type { Criterion, DateWindow, SearchQuery } from '#core/query.ts'
import { farFuture, farPast } from './date-range.ts'
import { searchParameters } from './search-parameters.ts'

/**
 * A criterion as the database can look for it. `form` is what decides the SQL, `values` are the parameters for it: two
 * filters of one form are one statement. A list travels as one JSON value, since a Durable Object takes a hundred
 * parameters and no more.
 */
export interface Filter {
  form: string
  kind: 'token' | 'date' | 'id'
  /** Several values or windows, as JSON in `values[0]`. */
  many: boolean
  not: boolean
  /** The date that the live row itself carries. */
  own: boolean
  /** `Type.param` of a date. */
  param: string
  /** Which ends of a single window are given, in the order of `values`. */
  limits: readonly Limit[]
  values: readonly unknown[]
}

export type Limit = keyof DateWindow

const plain = { many: false, not: false, own: false, param: '', limits: [] } as const

/** Hashes what is looked for. Throws Failure `too-costly` for a telling value without its patient. */
export async function readFilters(query: SearchQuery, vault: Vault): Promise<Filter[]> {
  const boxes = await boxesOfPerson(query, vault)
  return query.criteria.map((criterion) => {
    if (criterion.kind === 'token') return tokenFilter(criterion, query.type, vault, boxes)
    if (criterion.kind === 'date') return dateFilter(criterion, query.type)
    return { ...plain, form: 'id', kind: 'id', many: true, values: [JSON.stringify(criterion.values)] }
  })
}

/** The date that the live row itself carries. */
export function isOwnDate(type: string, param: string): boolean {
  return param === '_lastUpdated' || (type === 'AuditEvent' && param === 'date')
}

type TokenCriterion = Extract<Criterion, { kind: 'token' }>

function tokenFilter(criterion: TokenCriterion, type: string, vault: Vault, boxes: readonly Box[]): Filter {
  const field = `${type}.${criterion.param}`
  const perPatient = isTelling(type, criterion.param)
  const hashes = criterion.values.flatMap((value) => {
    if (!perPatient) return vault.index(field, value)
    return boxes.length > 0 ? boxes.map((box) => box.index(field, value)) : new Uint8Array(16)
  })
  const not = criterion.not === true
  const [only, ...more] = hashes
  if (only && more.length === 0) {
    return { ...plain, form: not ? 'token!' : 'token', kind: 'token', not, values: [only] }
  }
  const list = JSON.stringify(hashes.map((hash) => hash.reduce((text, byte) => text + hex(byte), '')))
  return { ...plain, form: not ? 'tokens!' : 'tokens', kind: 'token', many: true, not, values: [list] }
}

function dateFilter(criterion: Extract<Criterion, { kind: 'date' }>, type: string): Filter {
  const own = isOwnDate(type, criterion.param)
  const param = `${type}.${criterion.param}`
  const windows = criterion.windows.map(narrowed)
  const [only, ...more] = windows
  if (only && more.length === 0) {
    const limits = limitNames.filter((name) => only[name] !== undefined)
    const form = `date ${own ? 'own' : param} ${limits.join()}`
    return { ...plain, form, kind: 'date', own, param, limits, values: limits.map((name) => only[name]) }
  }
  const list = JSON.stringify(windows.map((each) => limitNames.map((name) => each[name] ?? open[name])))
  const form = `dates ${own ? 'own' : param}`
  return { ...plain, form, kind: 'date', many: true, own, param, values: [list] }
}

/** In the order in which a list of windows is written. */
export const limitNames = ['lowFrom', 'lowTo', 'highFrom', 'highTo'] as const
const open = { lowFrom: farPast, lowTo: farFuture, highFrom: farPast, highTo: farFuture }

/**
 * A row begins before it ends (one between two milliseconds, one of them after: date-range), which bounds the beginning
 * too: the end that the index is sorted by.
 */
function narrowed(window: DateWindow): DateWindow {
  const { lowFrom = farPast, lowTo, highTo } = window
  if (highTo === undefined) return { ...window, lowFrom }
  return { ...window, lowFrom, lowTo: Math.min(lowTo ?? highTo + 1, highTo + 1) }
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function isTelling(type: string, param: string): boolean {
  const [name] = param.split(':')
  return searchParameters[type]?.find((known) => known.name === name)?.perPatient === true
}

/** Values under a patient's own key can be looked for only where the query names that patient, by all of its records. */
async function boxesOfPerson(query: SearchQuery, vault: Vault): Promise<Box[]> {
  const telling = query.criteria.some((each) => each.kind === 'token' && isTelling(query.type, each.param))
  if (!telling) return []
  for (const each of query.criteria) {
    if (each.kind !== 'token' || each.not || each.values.length > maxRecords) continue
    if (!['patient', 'subject'].includes(each.param) || each.values.length === 0) continue
    if (!each.values.every((value) => value.startsWith('Patient/'))) continue
    const boxes = await Promise.all(each.values.map((value) => vault.find(value)))
    return boxes.filter((box) => box !== undefined)
  }
  throw new Failure('too-costly', 'This parameter is searched within one patient: add the patient parameter')
}

/** Merged records of one person (access/same-person). */
const maxRecords = 20
