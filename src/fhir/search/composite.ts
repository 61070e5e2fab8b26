import { Failure } from '#core/failure.ts'
import { elementsAt } from '#store/index-rows.ts'
import type { SearchParameter } from '#store/search-parameters.ts'
import type { Check } from './check.ts'

/** The condition of one part of a composite, to be asked of an element as if it were the resource. */
type ReadPart = (part: SearchParameter, text: string) => Check

/**
 * `code$value`: both in the same element. Looked at in opened candidates, so that what belongs together needs no index of
 * its own. https://hl7.org/fhir/R4/search.html#composite
 */
export function holdsTogether(parameter: SearchParameter, raw: readonly string[], read: ReadPart): Check {
  const parts = parameter.components ?? []
  const wanted = raw.map((text) => {
    const texts = text.match(/(?:\\.|[^\\$])+/gs) ?? []
    if (texts.length !== parts.length) {
      const form = parts.map(({ name }) => name).join('$')
      throw new Failure('malformed', `The parameter ${parameter.name} is written ${form}.`)
    }
    return parts.map((part, at) => read(part, texts[at] ?? ''))
  })
  return (seen) =>
    parameter.paths
      .flatMap((path) => elementsAt(seen, path.split('.')))
      .some((element) => wanted.some((checks) => checks.every((check) => check(element as typeof seen))))
}
