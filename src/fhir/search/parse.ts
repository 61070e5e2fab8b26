import { Failure } from '#core/failure.ts'
import type { Criterion, SearchQuery } from '#core/query.ts'
import type { Reference } from '#core/resource.ts'
import type { Call } from '#fhir/call.ts'
import type { Preferences } from '#fhir/negotiate.ts'
import { type SearchParameter, searchParameter } from '#store/search-parameters.ts'
import { includeOf } from './include-table.ts'
import { readCriterion, splitValues } from './values.ts'

const maxCount = 200
const defaultCount = 50
const maxParameters = 40

/** A search as it was asked, checked and ready for the store. */
export interface Search {
  type: string
  criteria: Criterion[]
  sort?: SearchQuery['sort']
  /** Matches on a page. */
  count: number
  /** Reference parameters whose targets go along. */
  includes: { parameter: SearchParameter; target?: string }[]
  /** Nothing but the number. */
  countOnly: boolean
  total: boolean
  /** Patients that were asked for by name. */
  patients: Set<Reference>
  /** Top-level elements that criteria and order look at: who may not see one may not find by it (ACC13). */
  elements: Set<string>
  /** What was understood, for the self link. */
  used: URLSearchParams
}

/**
 * Query parameters → search. Throws Failure `unsupported` (400) for what is not known, unless the client asked for
 * lenient handling; `malformed` for values that cannot be read; `too-costly` for a telling code without a patient.
 */
export function parseSearch(
  call: Pick<Call, 'ports' | 'type'>,
  query: URLSearchParams,
  handling: Preferences['handling'],
): Search {
  const search: Search = {
    type: call.type,
    criteria: [],
    count: defaultCount,
    includes: [],
    countOnly: false,
    total: false,
    patients: new Set(),
    elements: new Set(),
    used: new URLSearchParams(),
  }
  if (query.size > maxParameters) throw new Failure('too-costly', `Send at most ${maxParameters} parameters.`)
  for (const [key, text] of query) {
    try {
      readParameter(call, search, key, text)
    } catch (cause) {
      if (handling === 'lenient' && cause instanceof Failure && cause.kind === 'unsupported') continue
      throw cause
    }
    search.used.append(key, text)
  }
  requirePatientForTelling(search)
  return search
}

type Control = (search: Search, text: string) => void

/** Parameters that say how to answer, each at most once. */
const controls: Record<string, Control> = {
  _count: (search, text) => {
    if (!/^\d{1,9}$/.test(text)) throw new Failure('malformed', 'The parameter _count is not a number.')
    search.count = Math.min(Number(text), maxCount)
    if (search.count === 0) search.countOnly = true
  },
  _sort: (search, text) => {
    const descending = text.startsWith('-')
    const param = descending ? text.slice(1) : text
    const parameter = param === '_lastUpdated' ? lastUpdated : searchParameter(search.type, param)
    if (parameter?.kind !== 'date') {
      throw new Failure(
        'unsupported',
        'The parameter _sort takes one date parameter or _lastUpdated, - before it to turn it round.',
      )
    }
    noteElements(search, parameter)
    search.sort = { param, descending }
  },
  _summary: (search, text) => {
    if (text !== 'count' && text !== 'false') {
      throw new Failure('unsupported', 'The parameter _summary takes count or false.')
    }
    if (text === 'count') search.countOnly = true
  },
  _total: (search, text) => {
    if (text !== 'none' && text !== 'accurate') {
      throw new Failure('unsupported', 'The parameter _total takes none or accurate.')
    }
    search.total = text === 'accurate'
  },
  // Both were read with the headers (negotiate).
  _format: () => {},
  _pretty: () => {},
}

const lastUpdated: SearchParameter = { name: '_lastUpdated', kind: 'date', paths: [] }

function readParameter(call: Pick<Call, 'ports'>, search: Search, key: string, text: string): void {
  const control = controls[key]
  if (control) {
    if (search.used.has(key)) throw new Failure('malformed', `The parameter ${key} stands more than once.`)
    control(search, text)
    return
  }
  if (key === '_include') {
    search.includes.push(includeOf(search.type, text))
    return
  }
  if (key === '_id') {
    search.criteria.push({ kind: 'id', values: splitValues(key, text) })
    return
  }
  const colon = key.indexOf(':')
  const name = colon < 0 ? key : key.slice(0, colon)
  const parameter = name === '_lastUpdated' ? lastUpdated : searchParameter(search.type, name)
  // The name is the caller's own text: it may hold anything, so only one of known form is said back.
  const told = /^[A-Za-z_:-]{1,64}$/.test(key) ? `${key} ` : ''
  if (!parameter) throw new Failure('unsupported', `The parameter ${told}is not known for ${search.type}.`)
  const modifier = colon < 0 ? undefined : key.slice(colon + 1)
  const { base, clock } = call.ports
  const criterion = readCriterion({ parameter, modifier, text, base, now: clock.now() })
  search.criteria.push(criterion)
  noteElements(search, parameter)
  if (criterion.kind === 'token' && parameter.kind === 'reference') notePatients(search, criterion.values)
}

function noteElements(search: Search, parameter: SearchParameter): void {
  for (const path of parameter.paths) search.elements.add(path.split('.')[0] ?? path)
}

function notePatients(search: Search, values: readonly string[]): void {
  for (const value of values) {
    if (/^Patient\/[A-Za-z0-9.-]{1,64}$/.test(value)) search.patients.add(value as Reference)
  }
}

/** CRY8: such a value is indexed under one patient's key, so the store must know whose. */
function requirePatientForTelling({ type, criteria }: Search): void {
  const telling = criteria.find(
    (each) => each.kind === 'token' && searchParameter(type, each.param.split(':')[0] ?? '')?.perPatient,
  )
  if (telling?.kind !== 'token') return
  const named = criteria.some(
    (each) =>
      each.kind === 'token' &&
      !each.not &&
      ['patient', 'subject'].includes(each.param) &&
      each.values.length === 1 &&
      each.values[0]?.startsWith('Patient/'),
  )
  if (named) return
  const text = `The parameter ${telling.param} is searched within one patient: add the patient parameter.`
  throw new Failure('too-costly', text)
}
