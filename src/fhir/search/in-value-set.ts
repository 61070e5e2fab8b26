import { Failure } from '#core/failure.ts'
import type { Criterion } from '#core/query.ts'
import { elementsAt } from '#store/index-rows.ts'
import type { SearchParameter } from '#store/search-parameters.ts'
import type { Check } from './check.ts'

/** Larger sets belong to a terminology server. */
const maxCodes = 500

/** Codes by system of a value set that is known and can be listed. */
export type FindCodes = (valueSet: string) => Readonly<Record<string, readonly string[]>> | undefined

/**
 * `:in`: a code of a value set that this server can list. The index finds the codes, with and without their system; the
 * check on the match keeps those out that have the same code of another system.
 * https://hl7.org/fhir/R4/search.html#modifiers
 */
export function inValueSet(
  parameter: SearchParameter,
  values: readonly string[],
  findCodes: FindCodes,
): { criterion: Criterion; check: Check } {
  const listed = values.map((url) => {
    const codes = findCodes(url)
    if (!codes) {
      const text = `The parameter ${parameter.name}:in takes canonicals of value sets that are known here and can be listed.`
      throw new Failure('unsupported', text)
    }
    return Object.entries(codes).flatMap(([system, each]) => each.map((code) => ({ system, code })))
  })
  const all = listed.flat()
  if (all.length > maxCodes) {
    throw new Failure(
      'too-costly',
      `The parameter ${parameter.name}:in takes value sets of ${maxCodes} codes.`,
    )
  }
  const full = new Set(all.map(({ system, code }) => `${system}|${code}`))
  const bare = new Set(all.map(({ code }) => code))
  const criterion: Criterion = { kind: 'token', param: parameter.name, values: [...full, ...bare] }
  const check: Check = (seen) =>
    parameter.paths
      .flatMap((path) => elementsAt(seen, path.split('.')))
      .some((element) => {
        // An element of type code has no system of its own: its binding says it.
        if (typeof element === 'string') return bare.has(element)
        const codings = [...elementsAt(element, ['coding']), element] as { system?: string; code?: string }[]
        return codings.some(({ system, code }) => full.has(`${system ?? ''}|${code}`))
      })
  return { criterion, check }
}
