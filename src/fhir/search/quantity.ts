import { Failure } from '#core/failure.ts'
import { elementsAt } from '#store/index-rows.ts'
import type { SearchParameter } from '#store/search-parameters.ts'
import type { Check } from './check.ts'

interface Interval {
  low: number
  high: number
}

/** An amount that was asked for: the stretch that its digits cover, and the unit where one was named. */
interface Wanted extends Interval {
  prefix: Prefix
  system: string | undefined
  code: string | undefined
}

/**
 * `[prefix][number]|[system]|[code]` on opened candidates: `5.4` is everything that rounds to 5.4. Units are compared as
 * codes, or by their name where no system is given; none is converted into another.
 * https://hl7.org/fhir/R4/search.html#quantity
 */
export function holdsQuantity(parameter: SearchParameter, values: readonly string[]): Check {
  const wanted = values.map((value) => wantedOf(parameter.name, value))
  return (seen) =>
    parameter.paths
      .flatMap((path) => elementsAt(seen, path.split('.')))
      .some((element) => wanted.some((each) => meetsQuantity(element, each)))
}

function wantedOf(name: string, text: string): Wanted {
  const [amount = '', system, code] = text.split('|')
  const [, prefix = 'eq', number = ''] = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)$/s.exec(amount) ?? []
  const [digits, places = '', exponent = '0'] =
    /^[-+]?\d{1,30}(?:\.(\d{1,30}))?(?:[eE]([-+]?\d{1,3}))?$/.exec(number) ?? []
  if (digits === undefined) {
    throw new Failure('malformed', `The parameter ${name} takes a number, or number|system|code.`)
  }
  const half = 0.5 * 10 ** (Number(exponent) - places.length)
  const value = Number(number)
  return { prefix: prefix as Prefix, low: value - half, high: value + half, system, code }
}

function meetsQuantity(element: unknown, { prefix, system, code, ...asked }: Wanted): boolean {
  const bounds = boundsOf(element)
  if (!bounds?.units.every((unit) => isUnit(unit, system, code))) return false
  return comparisons[prefix](bounds, asked)
}

/** A Quantity is a point, a Range goes from its low to its high; an open end reaches on. */
function boundsOf(element: unknown): (Interval & { units: unknown[] }) | undefined {
  const [value] = elementsAt(element, ['value'])
  if (value !== undefined) return { low: Number(value), high: Number(value), units: [element] }
  const [low] = elementsAt(element, ['low'])
  const [high] = elementsAt(element, ['high'])
  if (!low && !high) return undefined
  const [from] = elementsAt(low, ['value'])
  const [to] = elementsAt(high, ['value'])
  return {
    low: from === undefined ? Number.NEGATIVE_INFINITY : Number(from),
    high: to === undefined ? Number.POSITIVE_INFINITY : Number(to),
    units: [low, high].filter((end) => end !== undefined),
  }
}

function isUnit(quantity: unknown, system: string | undefined, code: string | undefined): boolean {
  const unit = quantity as { system?: string; code?: string; unit?: string }
  if (!code) return !system || unit.system === system
  if (system) return unit.system === system && unit.code === code
  return unit.code === code || unit.unit === code
}

/** https://hl7.org/fhir/R4/search.html#prefix: `eq` and `ne` by the digits given, the others by the number itself. */
const comparisons = {
  eq: (found: Interval, asked: Interval) => found.low >= asked.low && found.high < asked.high,
  ne: (found: Interval, asked: Interval) => found.low < asked.low || found.high >= asked.high,
  gt: (found: Interval, asked: Interval) => found.high > middle(asked),
  lt: (found: Interval, asked: Interval) => found.low < middle(asked),
  ge: (found: Interval, asked: Interval) => found.high >= middle(asked),
  le: (found: Interval, asked: Interval) => found.low <= middle(asked),
  sa: (found: Interval, asked: Interval) => found.low > middle(asked),
  eb: (found: Interval, asked: Interval) => found.high < middle(asked),
  ap: (found: Interval, asked: Interval) => {
    const slack = Math.abs(middle(asked)) / 10
    return found.high >= middle(asked) - slack && found.low <= middle(asked) + slack
  },
}
type Prefix = keyof typeof comparisons

function middle({ low, high }: Interval): number {
  // The number that was written: halves of its last digit away from both ends.
  return Number(((low + high) / 2).toPrecision(15))
}
