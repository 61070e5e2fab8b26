import { Failure } from '#core/failure.ts'
import { type SearchParameter, searchParameter, searchParameters } from '#store/search-parameters.ts'

/** What `_include` takes for a type: its reference parameters, as `Type:name`. */
export function includesOf(type: string): string[] {
  return (searchParameters[type] ?? [])
    .filter((parameter) => parameter.kind === 'reference')
    .map((parameter) => `${type}:${parameter.name}`)
}

/** `Type:name` or `Type:name:Target`. Throws Failure `unsupported`. https://hl7.org/fhir/R4/search.html#include */
export function includeOf(type: string, text: string): { parameter: SearchParameter; target?: string } {
  const [source, name = '', target] = text.split(':')
  const parameter = source === type ? searchParameter(type, name) : undefined
  if (parameter?.kind !== 'reference') {
    throw new Failure(
      'unsupported',
      `The parameter _include takes ${includesOf(type).join(', ') || 'nothing'} here.`,
    )
  }
  return target === undefined ? { parameter } : { parameter, target }
}
