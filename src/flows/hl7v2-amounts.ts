import type { Issue } from '#core/failure.ts'
import type { SourceOrder, SourceSegment } from '#formats/hl7v2/source.ts'
import { fieldOf, type Hl7v2Source, placeOf, segmentsNamed } from './hl7v2-source.ts'

interface AmountFields {
  /** NM, and ST that holds a number (rates): nothing stands beside it. */
  numbers: readonly number[]
  /** CQ: the unit stands beside the number. */
  quantities?: readonly number[]
  /** What is given, when, and in what unit: of two, one would be left out in silence. The amounts themselves too. */
  once?: readonly number[]
}

/** Doses, amounts, rates, strengths, counts and numbers of gives by segment (HL7 v2.5.1 §4.5.4, §4.14); text has been taken for a number before. */
const amounts: Readonly<Record<string, AmountFields>> = {
  RXO: { numbers: [2, 3, 11, 18, 21, 25, 28], quantities: [23], once: [1, 4, 12, 13] },
  RXE: { numbers: [3, 4, 10, 23, 25, 33, 39], quantities: [19], once: [2, 5, 11, 12] },
  RXD: { numbers: [4, 16, 28], quantities: [12], once: [2, 3, 5, 17] },
  RXG: { numbers: [1, 5, 6, 15, 17, 23], once: [4, 7] },
  RXA: { numbers: [1, 6], once: [3, 4, 5, 7] },
  RXC: { numbers: [3, 5, 8], once: [2, 4, 6, 9] },
  TQ1: { numbers: [14], quantities: [2, 6, 13] },
}

type Owner = keyof SourceOrder

/**
 * What is no amount in the segments of these names, and in the RXC and TQ1 under them: text, less than nothing, or two
 * where one is read. A field that is empty is none of this function's concern.
 */
export function amountIssues(source: Hl7v2Source, owners: readonly Owner[]): Issue[] {
  return source.orders.flatMap((order) =>
    owners.flatMap((name) => {
      const owner = order[name]
      if (!owner) return []
      const measured = [owner, ...segmentsNamed(owner, 'RXC'), ...segmentsNamed(owner, 'TQ1')]
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
  const { numbers, quantities = [], once = [] } = amounts[segment._] ?? { numbers: [] }
  return [...numbers, ...quantities, ...once]
    .sort((a, b) => a - b)
    .flatMap((field): Issue[] => {
      const values = fieldOf(segment, field)
      const isAmount = !once.includes(field)
      const texts = values.map((value) => (numbers.includes(field) ? value._ : value._1) ?? '')
      const text = isAmount ? problemOf(texts) : texts.length > 1 ? repeated : undefined
      return text === undefined
        ? []
        : [{ code: 'value', text, expression: expressionOf(source, { owner, segment, field }) }]
    })
}

const repeated = 'must not repeat: one segment for each'

function problemOf(texts: readonly string[]): string | undefined {
  if (texts.length > 1) return repeated
  const [text] = texts
  if (text === undefined) return undefined
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(text)) return 'must be a number without unit'
  return text.startsWith('-') ? 'must not be negative' : undefined
}

/** Where TQ was, from which a TQ1 was made that no message holds (flows/quantity-timing). */
const quantityTiming: Readonly<Record<string, number>> = { ORC: 7, RXE: 1, RXG: 3 }

function expressionOf(
  source: Hl7v2Source,
  { owner, segment, field }: { owner: SourceSegment; segment: SourceSegment; field: number },
): string {
  return segment.at === 0 ? placeOf(source, owner, quantityTiming[owner._]) : placeOf(source, segment, field)
}
