import { Failure } from '#core/failure.ts'
import type { Criterion } from '#core/query.ts'
import type { Call } from '#fhir/call.ts'
import { type Check, meets } from '#fhir/search/check.ts'
import { parseSearch, type Search } from '#fhir/search/parse.ts'
import { type SearchParameter, searchParameter } from '#store/search-parameters.ts'

/** What a `_typeFilter` asks of each resource, and the elements that it looks at. */
export type TypeFilter = Pick<Search, 'elements' | 'checks'>

/**
 * A search query asked of resources one by one, since an export shows versions that no index holds any more. It takes
 * the filters of a search and nothing that says how to answer. Throws as the search would.
 */
export function readTypeFilter(call: Call, text: string): TypeFilter {
  const query = new URLSearchParams(text)
  const search = parseSearch(call, query, 'strict')
  const { criteria, checks, chained, elements, sort, view, includes, revincludes } = search
  const shaped = sort.length + includes.length + revincludes.length + Object.keys(view).length > 0
  if (shaped || chained.length > 0 || search.countOnly || search.total || query.has('_count')) {
    throw new Failure('unsupported', 'A _typeFilter takes parameters of the type itself, without chains.')
  }
  requireSeen(call, elements)
  return { elements, checks: [...checks, ...criteria.map((criterion) => checkOf(call.type, criterion))] }
}

/** As in a search: who may not see an element may not find by it. */
function requireSeen({ ports, request, type }: Call, elements: ReadonlySet<string>): void {
  const { fields } = ports.access.gate(request.caller, 'search', type)
  if (fields && [...elements].some((element) => !fields.includes(element))) {
    throw new Failure('forbidden', 'You may not filter by one of these parameters.')
  }
}

const lastUpdated: SearchParameter = { name: '_lastUpdated', kind: 'date', paths: ['meta.lastUpdated'] }

function checkOf(type: string, criterion: Criterion): Check {
  if (criterion.kind === 'id') return ({ id }) => criterion.values.includes(id ?? '')
  const [name = ''] = criterion.param.split(':')
  const parameter = name === '_lastUpdated' ? lastUpdated : searchParameter(type, name)
  if (!parameter) throw new Failure('unsupported', 'A _typeFilter takes parameters of the type itself.')
  return meets(parameter, criterion)
}
