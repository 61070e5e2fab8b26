import { Failure } from '#core/failure.ts'
import type { Resource } from '#core/resource.ts'
import { elementsAt, parameterRows } from '#store/index-rows.ts'
import { normalized } from '#store/string-prefixes.ts'
import type { SortKey } from './parse.ts'

/** What a match is sorted by: milliseconds, or text in the order of its code units. */
export type SortValue = number | string

/** Matches that are opened to be sorted. */
export const maxSorted = 5000

export function tooManyToSort(): Failure {
  return new Failure(
    'too-costly',
    'Too many resources to be sorted so: narrow the search, or sort by one date.',
  )
}

/** The values of a match under each key, from what its caller sees; what has none stands before all others. */
export function sortValues(sort: readonly SortKey[], seen: Resource): SortValue[] {
  return sort.map(({ parameter, descending }) => {
    if (parameter.name === '_lastUpdated') return Date.parse(seen.meta?.lastUpdated ?? '') || 0
    if (parameter.kind === 'string') return edge(textsOf(seen, parameter.paths).map(normalized), descending)
    const { tokens, dates } = parameterRows(seen, parameter)
    if (parameter.kind === 'date') {
      const lows = dates.map(({ low }) => low)
      return descending ? Math.max(...lows) : Math.min(...lows)
    }
    return edge(
      tokens.map(({ value }) => value),
      descending,
    )
  })
}

/** Negative when a stands before b. */
export function compareKeys(
  sort: readonly SortKey[],
  a: readonly SortValue[],
  b: readonly SortValue[],
): number {
  for (const [at, { descending }] of sort.entries()) {
    const [left = '', right = ''] = [a[at], b[at]]
    if (left === right) continue
    return left < right === descending ? 1 : -1
  }
  return 0
}

function edge(texts: readonly string[], descending: boolean): string {
  const sorted = [...texts].sort()
  return (descending ? sorted.at(-1) : sorted[0]) ?? ''
}

function textsOf(seen: Resource, paths: readonly string[]): string[] {
  return paths.flatMap((path) => elementsAt(seen, path.split('.'))).filter((text) => typeof text === 'string')
}
