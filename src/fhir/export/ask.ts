import type { Group } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import { definitionTypes } from '#core/unstored.ts'
import type { Call } from '#fhir/call.ts'
import { mediaType, requireJsonBody } from '#fhir/negotiate.ts'
import { absent, requireVisible } from '#fhir/show.ts'
import { parseJson } from '#formats/json.ts'
import { dateRange } from '#store/date-range.ts'
import { searchParameter, searchParameters } from '#store/search-parameters.ts'
import type { ExportJob } from './job.ts'
import { readTypeFilter } from './type-filter.ts'

/** Patients that an export may name or a group hold. */
const maxPatients = 10_000
const maxFilters = 50

type Asked = Pick<ExportJob, 'types' | 'compartment' | 'filters' | 'query'> &
  Partial<Pick<ExportJob, 'since' | 'patients' | 'elements'>>

/**
 * The parameters of a kick-off, from the address or a Parameters resource:
 * https://hl7.org/fhir/uv/bulkdata/STU2/export.html#query-parameters. What is not served is refused (400), or passed
 * over with `Prefer: handling=lenient`. Throws Failure `forbidden` for a type that the token does not let search.
 */
export async function readAsked(call: Call): Promise<Asked> {
  requireAsync(call)
  const query = call.request.method === 'POST' ? withBody(call) : new URLSearchParams(call.request.query)
  requireKnown(call, query)
  requireNdjson(query.get('_outputFormat'))
  const compartment = call.type !== ''
  const types = typesOf(call, query, compartment)
  const filters = filtersOf(call, query, types)
  const elements = elementsOf(query)
  const since = sinceOf(query)
  const patients = await patientsOf(call, query)
  return {
    types,
    compartment,
    filters,
    query: query.toString(),
    ...(elements ? { elements } : {}),
    ...(since === undefined ? {} : { since }),
    ...(patients ? { patients } : {}),
  }
}

function requireAsync({ request }: Call): void {
  if (/(?:^|[\s,;])respond-async\b/.test(request.header('prefer') ?? '')) return
  throw new Failure('malformed', 'An export is answered later only: send Prefer: respond-async.')
}

const known = ['_type', '_since', '_typeFilter', '_elements', '_outputFormat', '_format', '_pretty']

function requireKnown(call: Call, query: URLSearchParams): void {
  const taken = call.type === '' ? known : [...known, 'patient']
  for (const name of [...query.keys()]) {
    if (taken.includes(name)) continue
    if (call.prefer.handling !== 'lenient') {
      throw new Failure('unsupported', `This export takes the parameters ${taken.slice(0, 5).join(', ')}.`)
    }
    query.delete(name)
  }
}

const formats = ['application/fhir+ndjson', 'application/ndjson', 'ndjson']

function requireNdjson(format: string | null): void {
  // A plus sign in a query that was not escaped arrives as a space.
  if (format === null || formats.includes(mediaType(format).replace(' ', '+'))) return
  throw new Failure('unsupported', 'Files are written as application/fhir+ndjson only.')
}

/** Types that are about a patient; the audit log has an export of its own. */
const inCompartment = Object.keys(searchParameters).filter(
  (type) => type !== 'AuditEvent' && (type === 'Patient' || searchParameter(type, 'patient') !== undefined),
)
const notExported: readonly string[] = ['AuditEvent', ...definitionTypes]
const anywhere = Object.keys(searchParameters).filter((type) => !notExported.includes(type))

function typesOf(call: Call, query: URLSearchParams, compartment: boolean): string[] {
  const offered = compartment ? inCompartment : anywhere
  const mayExport = (type: string) => call.ports.access.gate(call.request.caller, 'search', type).permit
  const asked = query
    .getAll('_type')
    .flatMap((text) => text.split(','))
    .map((type) => type.trim())
  const unknown = asked.find((type) => !offered.includes(type))
  if (unknown !== undefined && call.prefer.handling !== 'lenient') {
    throw new Failure('unsupported', `The parameter _type takes ${offered.join(', ')} here.`)
  }
  const wanted = offered.filter((type) => asked.length === 0 || asked.includes(type))
  const open = wanted.filter(mayExport)
  if (open.length === 0 || (asked.length > 0 && open.length < wanted.length)) {
    throw new Failure('forbidden', 'This token does not allow to search what is to be exported.')
  }
  return open
}

/** Several in one text are parted where a new type begins: the queries hold commas of their own. */
function filtersOf(call: Call, query: URLSearchParams, types: string[]) {
  const texts = query.getAll('_typeFilter').flatMap((text) => text.split(/,(?=[A-Z][A-Za-z]+\?)/))
  if (texts.length > maxFilters) throw new Failure('too-costly', `Send at most ${maxFilters} type filters.`)
  const filters: Record<string, string[]> = {}
  for (const text of texts) {
    const [, type = '', asked = ''] = /^([A-Z][A-Za-z]+)\?(.+)$/s.exec(text) ?? []
    if (!types.includes(type)) {
      throw new Failure('malformed', 'A _typeFilter is Type?query, of a type that is exported.')
    }
    readTypeFilter({ ...call, type }, asked)
    filters[type] = [...(filters[type] ?? []), asked]
  }
  return filters
}

function elementsOf(query: URLSearchParams): Record<string, string[]> | undefined {
  const names = query.getAll('_elements').flatMap((text) => text.split(','))
  if (names.length === 0) return undefined
  const elements: Record<string, string[]> = {}
  for (const name of names) {
    const [, type = '*', element] =
      /^(?:([A-Z][A-Za-z]{1,63})\.)?([a-z][A-Za-z]{0,63})$/.exec(name.trim()) ?? []
    if (element === undefined) {
      throw new Failure(
        'malformed',
        'The parameter _elements takes element or Type.element, parted by commas.',
      )
    }
    elements[type] = [...(elements[type] ?? []), element]
  }
  return elements
}

function sinceOf(query: URLSearchParams): number | undefined {
  const text = query.get('_since')
  if (text === null) return undefined
  const range = dateRange(text.replace(' ', '+'))
  if (!range || !text.includes('T')) throw new Failure('malformed', 'The parameter _since is not an instant.')
  return range.low
}

/** The members of the group, or the patients named; both where both are asked. */
async function patientsOf(call: Call, query: URLSearchParams): Promise<Reference[] | undefined> {
  const named = query.getAll('patient').flatMap((text) => text.split(','))
  const own = named.map((text) => text.replace(`${call.ports.base}/`, ''))
  if (!own.every((text) => /^Patient\/[A-Za-z0-9.-]{1,64}$/.test(text))) {
    throw new Failure('malformed', 'The parameter patient takes references such as Patient/1.')
  }
  const members = call.type === 'Group' ? await membersOf(call) : undefined
  const wanted = own.length > 0 ? new Set(own as Reference[]) : undefined
  const all =
    members && wanted ? members.filter((each) => wanted.has(each)) : (members ?? (wanted && [...wanted]))
  if (all && all.length > maxPatients) {
    throw new Failure('too-costly', `An export goes over ${maxPatients} named patients at most.`)
  }
  return all
}

/** https://hl7.org/fhir/R4/group.html: who is in it at the moment of the kick-off. */
async function membersOf(call: Call): Promise<Reference[]> {
  const stored = await call.ports.store.read('Group', call.id)
  if (!stored || stored.deleted) throw absent()
  const { resource, text } = await requireVisible(call, stored)
  const group = (text === stored.json ? resource : JSON.parse(text)) as Group
  const now = call.ports.clock.now()
  const references = (group.member ?? []).flatMap(({ entity, inactive, period }) => {
    const ended = period?.end !== undefined && (dateRange(period.end)?.high ?? now) < now
    const begins = period?.start !== undefined && (dateRange(period.start)?.low ?? now) > now
    return inactive || ended || begins ? [] : [entity.reference ?? '']
  })
  return [...new Set(references.filter((each) => each.startsWith('Patient/')))] as Reference[]
}

const parts = ['valueString', 'valueInstant', 'valueCode', 'valueUri', 'valueDateTime'] as const

/** A POST brings its parameters as a resource: https://hl7.org/fhir/R4/operations.html#request */
function withBody({ request }: Call): URLSearchParams {
  const query = new URLSearchParams(request.query)
  if (request.body.byteLength === 0) return query
  requireJsonBody(request)
  const body = parseJson(request.body) as { resourceType?: unknown; parameter?: unknown } | null
  if (body?.resourceType !== 'Parameters' || !Array.isArray(body.parameter)) {
    throw new Failure('malformed', 'The body is not a Parameters resource.')
  }
  for (const part of body.parameter as Record<string, unknown>[]) {
    const reference = (part?.valueReference as { reference?: unknown } | undefined)?.reference
    const value = reference ?? parts.map((name) => part?.[name]).find((each) => each !== undefined)
    if (typeof part?.name !== 'string' || typeof value !== 'string') {
      throw new Failure('malformed', 'A parameter has no name or no value that an export takes.')
    }
    query.append(part.name, value)
  }
  return query
}
