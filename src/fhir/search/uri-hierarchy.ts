import { Failure } from '#core/failure.ts'
import { elementsAt } from '#store/index-rows.ts'
import type { SearchParameter } from '#store/search-parameters.ts'
import type { Condition } from './values.ts'

/** Of an address of this length every beginning is looked for. */
const maxLength = 255

/**
 * `:above` asks for what the given URL begins with, found by the index since each beginning is looked for; `:below` for
 * what begins with it, which only opened candidates tell. For URLs, not URNs: https://hl7.org/fhir/R4/search.html#uri
 */
export function uriHierarchy(
  parameter: SearchParameter,
  modifier: 'above' | 'below',
  values: readonly string[],
): Condition {
  const urls = values.filter((value) => !/^urn\b/i.test(value))
  if (modifier === 'above') {
    if (urls.some((url) => url.length > maxLength)) {
      throw new Failure('too-costly', `The parameter ${parameter.name}:above takes ${maxLength} characters.`)
    }
    const beginnings = urls.flatMap((url) => Array.from(url, (_, at) => url.slice(0, at + 1)))
    const check = (seen: unknown) => urisOf(seen, parameter).some((uri) => beginnings.includes(uri))
    if (parameter.opened) return { check, opening: true }
    return { criterion: { kind: 'token', param: parameter.name, values: beginnings } }
  }
  const check = (seen: unknown) =>
    urisOf(seen, parameter).some((uri) => !/^urn\b/i.test(uri) && urls.some((url) => uri.startsWith(url)))
  return { check, opening: true }
}

function urisOf(seen: unknown, { paths }: SearchParameter): string[] {
  return paths
    .flatMap((path) => elementsAt(seen, path.split('.')))
    .filter((element) => typeof element === 'string')
}
