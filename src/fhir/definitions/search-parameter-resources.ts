import type { SearchParameter } from 'fhir/r4'
import held from '#profiles/base/search-parameters.json' with { type: 'json' }
import { searchParameters } from '#store/search-parameters.ts'

const served = new Set(
  Object.values(searchParameters).flatMap((each) => each.map(({ definition }) => definition)),
)

/**
 * The SearchParameters that are searched by, as far as they are read here: for the types served, without the standard's
 * prose. Tagged SUBSETTED, since their canonicals are those of the whole ones.
 */
export const searchParameterResources: readonly SearchParameter[] = held.parameters
  .filter(({ url }) => served.has(url))
  .map(
    (each) =>
      ({
        resourceType: 'SearchParameter',
        id: each.url.slice(each.url.lastIndexOf('/') + 1),
        meta: { tag: [subsetted()] },
        url: each.url,
        name: nameOf(each.code),
        status: 'active',
        description: `What ${each.base.join(', ')} can be searched for by ${each.code}.`,
        code: each.code,
        base: each.base,
        type: each.type,
        expression: each.expression,
        ...('target' in each ? { target: each.target } : {}),
        ...('component' in each ? { component: each.component } : {}),
      }) as SearchParameter,
  )

function subsetted() {
  return { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }
}

/** A name that programs may use (spd-0). */
function nameOf(code: string): string {
  const words = code.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1))
  return words.join('')
}
