import type { Criterion, DateWindow } from '#core/query.ts'
import type { Resource } from '#core/resource.ts'
import { farPast } from '#store/date-range.ts'
import { elementsAt, parameterRows } from '#store/index-rows.ts'
import type { SearchParameter } from '#store/search-parameters.ts'
import { normalized } from '#store/string-prefixes.ts'

/** What is asked of a match itself, as its caller sees it: what is hidden in it can neither meet nor fail it. */
export type Check = (seen: Resource) => boolean

/** https://hl7.org/fhir/R4/search.html#modifiers `:missing` */
export function isMissing(parameter: SearchParameter, missing: boolean): Check {
  return (seen) => {
    const { tokens, dates } = parameterRows(seen, parameter)
    return (tokens.length === 0 && dates.every(({ low }) => low < farPast)) === missing
  }
}

/** A criterion that no index answers, on the opened resource. */
export function meets(parameter: SearchParameter, criterion: Criterion): Check {
  if (criterion.kind === 'id') return ({ id }) => criterion.values.includes(id ?? '')
  if (criterion.kind === 'date') {
    return (seen) =>
      parameterRows(seen, parameter).dates.some(({ low, high }) =>
        criterion.windows.some((window) => low >= farPast && isWithin(low, high, window)),
      )
  }
  const wanted = new Set(criterion.values)
  return (seen) =>
    parameterRows(seen, parameter).tokens.some(({ value }) => wanted.has(value)) !== (criterion.not ?? false)
}

function isWithin(low: number, high: number, { lowFrom, lowTo, highFrom, highTo }: DateWindow): boolean {
  return (
    (lowFrom === undefined || low >= lowFrom) &&
    (lowTo === undefined || low <= lowTo) &&
    (highFrom === undefined || high >= highFrom) &&
    (highTo === undefined || high <= highTo)
  )
}

/** `:text` on a coded value or a reference: what is written beside the code. */
export function saysText(parameter: SearchParameter, values: readonly string[]): Check {
  const wanted = values.map(normalized)
  return (seen) =>
    elementsOf(seen, parameter)
      .flatMap((element) =>
        ['text', 'display', 'coding.display', 'type.text'].flatMap((path) =>
          elementsAt(element, path.split('.')),
        ),
      )
      .some((text) => typeof text === 'string' && wanted.some((value) => normalized(text).includes(value)))
}

const comparisons: Readonly<
  Record<'exact' | 'contains' | 'prefix', (text: string, value: string) => boolean>
> = {
  exact: (text, value) => text === value,
  contains: (text, value) => normalized(text).includes(normalized(value)),
  prefix: (text, value) => normalized(text).startsWith(normalized(value)),
}

/** A string by the letter (`exact`), anywhere in it, or from its beginning. */
export function holdsString(
  parameter: SearchParameter,
  values: readonly string[],
  how: keyof typeof comparisons,
): Check {
  return (seen) =>
    elementsOf(seen, parameter).some(
      (text) => typeof text === 'string' && values.some((value) => comparisons[how](text, value)),
    )
}

function elementsOf(seen: Resource, { paths }: SearchParameter): unknown[] {
  return paths.flatMap((path) => elementsAt(seen, path.split('.')))
}
