import { Failure } from '#core/failure.ts'
import type { Criterion } from '#core/query.ts'
import type { Reference } from '#core/resource.ts'
import type { Call } from '#fhir/call.ts'
import type { Preferences } from '#fhir/negotiate.ts'
import { lastUpdated, type SearchParameter, searchParameter } from '#store/search-parameters.ts'
import { type Chained, readChained } from './chained.ts'
import type { Check } from './check.ts'
import { controls } from './controls.ts'
import { noteElements } from './elements.ts'
import { type Include, includeOf } from './include-table.ts'
import { readCondition, splitValues } from './values.ts'
import type { View } from './view.ts'

const defaultCount = 50
const maxParameters = 40

/** A search as it was asked, checked and ready for the store. */
export interface Search {
  type: string
  criteria: Criterion[]
  /** Asked of each match as the caller sees it. */
  checks: Check[]
  /** Parameters that only opened candidates of a selective one answer. */
  opening: string[]
  /** What is asked of other resources, to be resolved before the store is asked (chain). */
  chained: Chained[]
  /** First key first; ties are broken by id. */
  sort: SortKey[]
  /** Matches on a page. */
  count: number
  includes: readonly Include[]
  revincludes: readonly Include[]
  view: View
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

export interface SortKey {
  parameter: SearchParameter
  descending: boolean
}

/**
 * Query parameters → search. Throws Failure `unsupported` (400) for what is not known, unless the client asked for
 * lenient handling; `malformed` for values that cannot be read; `too-costly` for a telling code without a patient, and
 * for what only opened resources answer without a selective parameter beside it.
 */
export function parseSearch(
  call: Pick<Call, 'ports' | 'type'>,
  query: URLSearchParams,
  handling: Preferences['handling'],
): Search {
  const search = emptySearch(call.type)
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
  requireSelective(search)
  if (search.view.summary === 'text' && search.includes.length + search.revincludes.length > 0) {
    throw new Failure('malformed', 'A summary of text includes nothing; leave _include and _revinclude out.')
  }
  return search
}

function emptySearch(type: string): Search {
  return {
    type,
    criteria: [],
    checks: [],
    opening: [],
    chained: [],
    sort: [],
    count: defaultCount,
    includes: [],
    revincludes: [],
    view: {},
    countOnly: false,
    total: false,
    patients: new Set(),
    elements: new Set(),
    used: new URLSearchParams(),
  }
}

function readParameter(call: Pick<Call, 'ports'>, search: Search, key: string, text: string): void {
  const control = Object.hasOwn(controls, key) ? controls[key] : undefined
  if (control) {
    if (search.used.has(key)) throw new Failure('malformed', `The parameter ${key} stands more than once.`)
    control(search, text)
    return
  }
  if (/^_(?:rev)?include(?::iterate)?$/.test(key)) {
    const include = includeOf(search.type, key, text)
    if (key.startsWith('_rev')) search.revincludes = [...search.revincludes, include]
    else search.includes = [...search.includes, include]
    return
  }
  const chained = readChained(search.type, key, text)
  if (chained) {
    search.chained.push(chained)
    if (chained.kind === 'forward') noteElements(search, chained.parameter)
    return
  }
  readOwn(call, search, key, text)
}

/** A parameter of the type itself. */
function readOwn({ ports }: Pick<Call, 'ports'>, search: Search, key: string, text: string): void {
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
  const findCodes = ports.validator.codesOf
  const condition = readCondition({
    type: search.type,
    parameter,
    modifier,
    text,
    base: ports.base,
    now: ports.clock.now(),
    findCodes,
  })
  noteElements(search, parameter)
  if (condition.check) search.checks.push(condition.check)
  if (condition.opening) search.opening.push(key)
  const { criterion } = condition
  if (!criterion) return
  search.criteria.push(criterion)
  if (criterion.kind === 'token' && parameter.kind === 'reference') notePatients(search, criterion.values)
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

/** What is opened to be looked at must be few: one person, one set of people, one place. */
export function isSelective({ type, criteria, chained }: Search): boolean {
  if (chained.length > 0) return true
  return criteria.some((each) => {
    if (each.kind === 'id') return true
    if (each.kind === 'date' || each.not) return false
    const name = each.param.split(':')[0] ?? ''
    const kind = searchParameter(type, name)?.kind
    return kind === 'reference' || kind === 'string' || kind === 'uri' || identifying.includes(name)
  })
}

const identifying = ['identifier', 'group-identifier', 'telecom', 'phone', 'email']

function requireSelective(search: Search): void {
  const inMemory = search.sort.length > 1 || search.sort.some(({ parameter }) => !isSortedByStore(parameter))
  const asked = inMemory ? [...search.opening, '_sort'] : search.opening
  if (asked.length === 0 || isSelective(search)) return
  const names = asked.map((key) => (/^[A-Za-z_:-]{1,64}$/.test(key) ? key : 'asked')).join(', ')
  const text = `The parameter ${names} looks into each candidate: add one that names few, such as patient, identifier or name.`
  throw new Failure('too-costly', text)
}

/** Dates are in the clear and in order; everything else is sealed. */
export function isSortedByStore(parameter: SearchParameter): boolean {
  return parameter.kind === 'date' && !parameter.opened
}
