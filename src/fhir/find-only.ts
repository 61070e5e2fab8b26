import { Failure } from '#core/failure.ts'
import type { Call } from './call.ts'
import { readSearch } from './search/chain.ts'
import { fillPage } from './search/page.ts'
import type { Shown } from './show.ts'

/**
 * The one resource that a condition finds among those the caller may see; undefined for none. Throws Failure
 * `malformed` for a condition that asks nothing, `precondition-failed` when it finds several, `forbidden` where the
 * token allows no search: what the caller cannot find it would make again and again.
 */
export async function findOnly(
  call: Call,
  query: URLSearchParams,
  where: string,
): Promise<Shown | undefined> {
  const gate = call.ports.access.gate(call.request.caller, 'search', call.type)
  if (!gate.permit)
    throw new Failure('forbidden', `${where} needs a token that allows search of ${call.type}.`)
  const search = await readSearch(call, query, 'strict')
  if (search.criteria.length === 0) {
    throw new Failure(
      'malformed',
      `${where} holds no search parameter; name one, as identifier=system|value.`,
    )
  }
  const { matches } = await fillPage(call, { ...search, count: 2 })
  if (matches.length > 1) throw new Failure('precondition-failed', `${where} finds more than one resource.`)
  return matches[0]
}
