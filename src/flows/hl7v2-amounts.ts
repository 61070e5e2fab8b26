import { compareSum } from '#care/decimal-sum.ts'
import type { Issue } from '#core/failure.ts'
import { decimalOfNm } from '#formats/hl7v2/decimal.ts'
import type { SourceOrder, SourceRepetition, SourceSegment } from '#formats/hl7v2/source.ts'
import { fieldOf, type Hl7v2Source, placeOf, segmentsNamed } from './hl7v2-source.ts'

interface AmountFields {
  /** NM, and ST that holds a number (rates): nothing stands beside it. */
  numbers: readonly number[]
  /** CQ: the unit stands beside the number. */
  quantities?: readonly number[]
  /** What is given, when, how, and in what unit: of two, one would be left out in silence. The amounts themselves too. */
  once?: readonly number[]
  /** An amount at least and at most. */
  range?: readonly [number, number]
  /** What says in what the amount is: its unit, else the form that is counted. */
  told?: { amount: number; unit: number; form: number }
}

/** Doses, amounts, rates, strengths, counts and numbers of gives by segment (HL7 v2.5.1 §4.5.4, §4.14); text has been taken for a number before. */
const amounts: Readonly<Record<string, AmountFields>> = {
  RXO: {
    numbers: [2, 3, 11, 18, 21, 25, 28],
    quantities: [23],
    once: [1, 4, 5, 9, 12, 13, 17, 19, 22, 26, 32],
    range: [2, 3],
    told: { amount: 2, unit: 4, form: 5 },
  },
  RXE: {
    numbers: [3, 4, 10, 23, 25, 33, 39],
    quantities: [19],
    once: [2, 5, 6, 9, 11, 12, 15, 22, 24, 26, 34, 35, 40],
    range: [3, 4],
    told: { amount: 3, unit: 5, form: 6 },
  },
  RXD: { numbers: [4, 16, 28], quantities: [12], once: [2, 3, 5, 17], told: { amount: 4, unit: 5, form: 6 } },
  RXG: { numbers: [1, 5, 6, 15, 17, 23], once: [4, 7], range: [5, 6], told: { amount: 5, unit: 7, form: 8 } },
  RXA: { numbers: [1, 6], once: [3, 4, 5, 7], told: { amount: 6, unit: 7, form: 8 } },
  RXC: { numbers: [3, 5, 8], once: [2, 4, 6, 9] },
  RXR: { numbers: [], once: [1, 2, 4] },
  TQ1: { numbers: [14], quantities: [2, 6, 13], once: [7, 8] },
}

type Owner = keyof SourceOrder

/**
 * What is no amount in the segments of these names, and in the RXC, RXR and TQ1 under them: text, less than nothing, two
 * where one is read, or more at least than at most. A field that is empty is none of this function's concern, unless the
 * other end of a range is there, or its amount is, and nothing says in what that is.
 */
export function amountIssues(source: Hl7v2Source, owners: readonly Owner[]): Issue[] {
  return source.orders.flatMap((order) =>
    owners.flatMap((name) => {
      const owner = order[name]
      if (!owner) return []
      const measured = [owner, ...['RXC', 'RXR', 'TQ1'].flatMap((each) => segmentsNamed(owner, each))]
      return measured.flatMap((segment) => issuesOf(source, owner, segment))
    }),
  )
}

/** RXO-13 and RXE-12 do not count the first fill: 0 to 98 (R5). */
export function refillIssues(source: Hl7v2Source): Issue[] {
  const places = source.orders.flatMap(({ RXO, RXE }) => [[RXO, 13] as const, [RXE, 12] as const])
  return places.flatMap(([segment, field]) => {
    const value = fieldOf(segment, field)[0]?._
    if (!segment || value === undefined || (/^\d{1,2}$/.test(value) && Number(value) <= 98)) return []
    const expression = placeOf(source, segment, field)
    return [{ code: 'value', text: 'must be a whole number from 0 to 98', expression }]
  })
}

function issuesOf(source: Hl7v2Source, owner: SourceSegment, segment: SourceSegment): Issue[] {
  const { numbers, quantities = [], once = [], range, told } = amounts[segment._] ?? { numbers: [] }
  const issues: Issue[] = told ? unitIssues(source, segment, told) : []
  const wrong = [...numbers, ...quantities, ...once]
    .sort((a, b) => a - b)
    .flatMap((field): Issue[] => {
      const [first, ...others] = repetitionsOf(segment, field)
      const amount = numbers.includes(field) ? first?._ : first?._1
      const isAmount = first?._ !== undefined && !once.includes(field)
      // One that stands behind an empty one is not the first, and would be read by nobody.
      const isRepeated = others.some((each) => each._ !== undefined)
      const text = isRepeated ? repeated : isAmount ? problemOf(amount ?? '') : undefined
      return text === undefined
        ? []
        : [{ code: 'value', text, expression: expressionOf(source, { owner, segment, field }) }]
    })
  issues.push(...wrong)
  return wrong.length > 0 || !range ? issues : [...issues, ...rangeIssues(source, segment, range)]
}

/** RXA-6: how much was given is not known (999), or nothing was. */
const nothingGiven = /^(?:999|0+)$/

/** Ten of what? A unit says so, and a form does where pieces are counted; a strength of the drug does not. */
function unitIssues(
  source: Hl7v2Source,
  segment: SourceSegment,
  { amount, unit, form }: { amount: number; unit: number; form: number },
): Issue[] {
  const value = fieldOf(segment, amount)[0]?._
  if (value === undefined || (segment._ === 'RXA' && nothingGiven.test(value))) return []
  if ([unit, form].some((field) => fieldOf(segment, field).length > 0)) return []
  const text = `An amount needs its unit, or the form that is counted (${segment._}-${form})`
  return [{ code: 'required', text, expression: placeOf(source, segment, unit) }]
}

const repeated = 'must not repeat: one segment for each'

function problemOf(text: string): string | undefined {
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(text)) return 'must be a number without unit'
  return text.startsWith('-') ? 'must not be negative' : undefined
}

/** An upper end alone would be a dose that nobody told the lower end of, and the other way round no dose at all. */
function rangeIssues(
  source: Hl7v2Source,
  segment: SourceSegment,
  [least, most]: readonly [number, number],
): Issue[] {
  const low = fieldOf(segment, least)[0]?._1
  const high = fieldOf(segment, most)[0]?._1
  if (high === undefined) return []
  if (low === undefined)
    return [
      { code: 'required', text: 'A maximum needs a minimum', expression: placeOf(source, segment, least) },
    ]
  const isEmpty = (compareSum([decimalOfNm(high)], decimalOfNm(low), 1) ?? 0) < 0
  const expression = placeOf(source, segment, most)
  return isEmpty ? [{ code: 'value', text: 'must not be less than the minimum', expression }] : []
}

/** Empty ones in their places: `~2` is a second one. */
function repetitionsOf(segment: SourceSegment, field: number): SourceRepetition[] {
  const value = segment[`${segment._}_${field}`]
  return Array.isArray(value) ? (value as SourceRepetition[]) : []
}

/** Where TQ was, from which a TQ1 was made that no message holds (flows/quantity-timing). */
const quantityTiming: Readonly<Record<string, number>> = { ORC: 7, RXE: 1, RXG: 3 }

function expressionOf(
  source: Hl7v2Source,
  { owner, segment, field }: { owner: SourceSegment; segment: SourceSegment; field: number },
): string {
  return segment.at === 0 ? placeOf(source, owner, quantityTiming[owner._]) : placeOf(source, segment, field)
}
