import { Failure } from '#core/failure.ts'
import { type SearchParameter, searchParameter, searchParameters } from '#store/search-parameters.ts'

/** References of resources of type `source`, to be followed to their end or back from it. */
export interface Include {
  source: string
  parameter: SearchParameter
  target?: string
  /** Followed from what was included too. */
  iterate: boolean
}

/** What `_include` takes for a type: its reference parameters, as `Type:name`. */
export function includesOf(type: string): string[] {
  return namesOf(type, () => true)
}

/** What `_revinclude` takes: reference parameters that may point at the type and are not hashed under a patient's key. */
export function revincludesOf(type: string): string[] {
  return Object.keys(searchParameters).flatMap((source) =>
    namesOf(source, (parameter) => !parameter.perPatient && mayPointAt(parameter, type)),
  )
}

function namesOf(source: string, fits: (parameter: SearchParameter) => boolean): string[] {
  return (searchParameters[source] ?? [])
    .filter((parameter) => parameter.kind === 'reference' && fits(parameter))
    .map((parameter) => `${source}:${parameter.name}`)
}

function mayPointAt({ targets }: SearchParameter, type: string): boolean {
  return targets?.includes(type) ?? true
}

/** `Type:name` or `Type:name:Target`. Throws Failure `unsupported`. https://hl7.org/fhir/R4/search.html#include */
export function includeOf(type: string, key: string, text: string): Include {
  const iterate = key.endsWith(':iterate')
  const back = key.startsWith('_revinclude')
  const [source = '', name = '', target] = text.split(':')
  const parameter = searchParameter(source, name)
  const fits = back
    ? parameter && !parameter.perPatient && (iterate || mayPointAt(parameter, type))
    : iterate || source === type
  if (parameter?.kind !== 'reference' || !fits) {
    const choice = back ? revincludesOf(type) : includesOf(type)
    const named = back ? '_revinclude' : '_include'
    throw new Failure('unsupported', `The parameter ${named} takes ${choice.join(', ') || 'nothing'} here.`)
  }
  return { source, parameter, iterate, ...(target === undefined ? {} : { target }) }
}
