import { Failure } from '#core/failure.ts'
import type { Criterion } from '#core/query.ts'
import type { Reference } from '#core/resource.ts'
import type { Call } from '#fhir/call.ts'
import type { Preferences } from '#fhir/negotiate.ts'
import { seenOf } from '#fhir/show.ts'
import { parameterRows } from '#store/index-rows.ts'
import { type SearchParameter, searchParameter } from '#store/search-parameters.ts'
import type { Chained } from './chained.ts'
import { noteElements } from './elements.ts'
import { allVisible } from './page.ts'
import { isSelective, parseSearch, type Search } from './parse.ts'

const maxHops = 2
/** Resources on the way that are opened and decided one by one. */
const maxOnTheWay = 2000

/** A query, parsed, allowed, and with its chains resolved. */
export async function readSearch(
  call: Call,
  query: URLSearchParams,
  handling: Preferences['handling'],
): Promise<Search> {
  return withMerged(call, await resolved(call, parseSearch(call, query, handling), 0))
}

/** Who asks for one record of a person asks for those that were merged with it. What is found is decided one by one. */
async function withMerged(call: Call, search: Search): Promise<Search> {
  for (const criterion of search.criteria) {
    if (criterion.kind !== 'token' || criterion.not) continue
    const parameter = searchParameter(search.type, criterion.param.split(':')[0] ?? '')
    if (parameter?.kind !== 'reference') continue
    const records = await Promise.all(
      criterion.values.map((value) =>
        isPatient(value) ? call.ports.access.recordsOf(value) : Promise.resolve([value]),
      ),
    )
    const values = [...new Set(records.flat())]
    for (const value of values) notePatient(search, value)
    if (values.length > criterion.values.length) criterion.values = values
  }
  return search
}

function isPatient(value: string): value is Reference {
  return /^Patient\/[A-Za-z0-9.-]{1,64}$/.test(value)
}

/**
 * A chain is a search of its own for what stands at the other end, and only what the caller may see there counts, by
 * resource, by type and by element: whether there is a match tells nothing that a direct search would not (F7).
 */
async function resolved(call: Call, search: Search, hops: number): Promise<Search> {
  requireSearchable(call, search)
  if (search.chained.length > 0 && hops === maxHops) {
    throw new Failure('too-costly', `Chains go over ${maxHops} references at most.`)
  }
  for (const chained of search.chained) {
    const criterion = await resolve(call, chained, hops)
    search.criteria.push(criterion)
    if (criterion.kind === 'token' && criterion.values.length === 1) notePatient(search, criterion.values[0])
  }
  return search
}

function resolve(call: Call, chained: Chained, hops: number): Promise<Criterion> {
  return chained.kind === 'forward' ? forward(call, chained, hops) : reverse(call, chained, hops)
}

/** Resources whose reference parameter names one of those found. */
async function forward(call: Call, chained: Chained, hops: number): Promise<Criterion> {
  const { access } = call.ports
  const types = chained.types.filter((type) => chained.named || knows(type, chained.rest))
  const open = types.filter((type) => access.gate(call.request.caller, 'search', type).permit)
  if (types.length === 0)
    throw new Failure('unsupported', 'The parameter at the end of the chain is not known.')
  if (open.length === 0) throw new Failure('forbidden', 'You may not search what this chain goes to.')
  const values: string[] = []
  for (const type of open) {
    const found = await find({ ...call, type }, chained, hops)
    values.push(...found.map(({ stored }) => `${type}/${stored.id}`))
  }
  if (values.length === 0) return { kind: 'id', values: [] }
  return { kind: 'token', param: chained.parameter.name, values }
}

/** Resources that those found refer to. */
async function reverse(call: Call, chained: Chained, hops: number): Promise<Criterion> {
  const [type = ''] = chained.types
  if (!call.ports.access.gate(call.request.caller, 'search', type).permit) {
    throw new Failure('forbidden', `You may not search ${type}.`)
  }
  const found = await find({ ...call, type }, chained, hops, chained.parameter)
  const own = `${call.type}/`
  const ids = found
    .flatMap((shown) => parameterRows(seenOf(shown), chained.parameter).tokens)
    .flatMap(({ value }) => (value.startsWith(own) ? [value.slice(own.length)] : []))
  return { kind: 'id', values: [...new Set(ids)] }
}

async function find(call: Call, { rest, text }: Chained, hops: number, back?: SearchParameter) {
  const search = parseSearch(call, new URLSearchParams([[rest, text]]), 'strict')
  if (back) noteElements(search, back)
  if (!isSelective(search)) {
    throw new Failure(
      'too-costly',
      'A chain ends in a parameter that names few, such as identifier, name or a reference.',
    )
  }
  const found = await allVisible(call, await resolved(call, search, hops + 1), maxOnTheWay)
  if (!found) throw new Failure('too-costly', 'A chain goes over too many resources; narrow its end.')
  return found
}

function knows(type: string, rest: string): boolean {
  const [name = ''] = rest.split(/[.:]/)
  return name === '_has' || name === '_id' || searchParameter(type, name) !== undefined
}

/** What the role may not see at all it may not search by either: that depends on the token alone, so it is said. */
function requireSearchable(call: Call, { elements }: Search): void {
  const { fields } = call.ports.access.gate(call.request.caller, 'search', call.type)
  if (fields && [...elements].some((element) => !fields.includes(element))) {
    throw new Failure('forbidden', 'You may not search or sort by one of these parameters.')
  }
}

function notePatient(search: Search, value: string | undefined): void {
  if (value?.startsWith('Patient/')) search.patients.add(value as Reference)
}
