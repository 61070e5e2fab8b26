import { Failure } from '#core/failure.ts'
import type { Call } from '#fhir/call.ts'
import { findVisible, type Shown } from '#fhir/show.ts'
import { elementsAt, relativeReference } from '#store/index-rows.ts'
import type { Search } from './parse.ts'

/** Resources that go along with one page. */
const maxIncluded = 500

/**
 * What the matches refer to, each once, decided one by one like a read; what the caller may not see, or what is hidden
 * in the match itself, is not there. https://hl7.org/fhir/R4/search.html#include
 */
export async function findIncluded(call: Call, search: Search, matches: readonly Shown[]): Promise<Shown[]> {
  const known = new Set(matches.map(({ stored }) => `${stored.type}/${stored.id}`))
  const wanted = new Set(
    matches.flatMap((match) => referencesOf(search, match)).filter((each) => !known.has(each)),
  )
  if (wanted.size > maxIncluded)
    throw new Failure('too-costly', 'Too much to include in one page; lower _count.')
  const found = await Promise.all(
    [...wanted].map(async (reference) => {
      const [type = '', id = ''] = reference.split('/')
      if (!call.ports.access.gate(call.request.caller, 'read', type).permit) return undefined
      const stored = await call.ports.store.read(type, id)
      return stored && !stored.deleted ? findVisible(call, stored, 'read') : undefined
    }),
  )
  return found.filter((shown) => shown !== undefined)
}

function referencesOf({ includes }: Search, { text, stored, resource }: Shown): string[] {
  const seen = text === stored.json ? resource : JSON.parse(text)
  return includes.flatMap(({ parameter, target }) =>
    parameter.paths
      .flatMap((path) => elementsAt(seen, [...path.split('.'), 'reference']))
      .flatMap((reference) => (typeof reference === 'string' ? (relativeReference(reference) ?? []) : []))
      .filter((reference) => {
        const type = reference.slice(0, reference.indexOf('/'))
        return (target ?? type) === type && (parameter.targets?.includes(type) ?? true)
      }),
  )
}
