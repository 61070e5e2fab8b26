import type { SearchParameter } from '#store/search-parameters.ts'

/** Notes the top-level elements that a parameter looks at. */
export function noteElements(search: { elements: Set<string> }, parameter: SearchParameter): void {
  for (const path of parameter.paths) search.elements.add(path.split('.')[0] ?? path)
}
