import { compareSum } from '#care/decimal-sum.ts'
import type { Issue } from '#core/failure.ts'
import { decimalOfNm } from '#formats/hl7v2/decimal.ts'
import type { SourceOrder, SourceRepetition, SourceSegment, SourceTree } from '#formats/hl7v2/source.ts'
import { fieldOf, placeOf, segmentsNamed } from './hl7v2-source.ts'

/**
 * Orders whose timing stands in ORC-7 or RXE-1 (data type TQ, HL7 v2.4 §4.2.2, withdrawn since 2.5 for TQ1 and still
 * sent), with the same as TQ1 segments, so that one mapping reads both. TQ1 wins where the same segment has both, which
 * `timingIssues` holds to say the same. Nothing of TQ is dropped: what TQ1 has no field for becomes text of the instruction.
 */
export function withTiming(order: SourceOrder): SourceOrder {
  const { ORC, RXO, RXE } = order
  const encoded = fieldOf(RXE, 1)
  const ordered = fieldOf(ORC, 7)
  const isOrdered = ORC && !ORC.TQ1 && !RXO?.TQ1 && ordered.length > 0
  return {
    ...order,
    ...(isOrdered ? { ORC: { ...ORC, TQ1: ordered.map(timingSegment) } } : {}),
    ...(RXE && !RXE.TQ1 && encoded.length > 0 ? { RXE: { ...RXE, TQ1: encoded.map(timingSegment) } } : {}),
  }
}

/** How much, how often, from when, until when: TQ1-2, -3, -7, -8. */
const told = [2, 3, 7, 8]

/**
 * Where an order says one thing in TQ (ORC-7, RXE-1) and another in the TQ1 that is read. Which of the two is meant nobody
 * could tell.
 */
export function timingIssues(source: SourceTree): Issue[] {
  return source.orders.flatMap(({ ORC, RXO, RXE }) => {
    const encoded = segmentsNamed(RXE, 'TQ1')
    const placed = [...segmentsNamed(ORC, 'TQ1'), ...segmentsNamed(RXO, 'TQ1')]
    return [
      ...contradictions(source, { owner: ORC, field: 7, TQ1: !RXO && encoded.length > 0 ? encoded : placed }),
      ...contradictions(source, { owner: RXE, field: 1, TQ1: encoded }),
    ]
  })
}

function contradictions(
  source: SourceTree,
  { owner, field, TQ1 }: { owner: SourceSegment | undefined; field: number; TQ1: SourceSegment[] },
): Issue[] {
  const old = fieldOf(owner, field).map(timingSegment)
  if (!owner || old.length === 0 || TQ1.length === 0) return []
  const agrees = old.every((each, index) => told.every((part) => isSame(each, TQ1[index], part)))
  if (agrees) return []
  const expression = placeOf(source, owner, field)
  return [{ code: 'value', text: 'must say the same as TQ1, or nothing', expression }]
}

/** Where both say something, and as far as both do: a date and a time of that date are the same. */
function isSame(old: SourceSegment, now: SourceSegment | undefined, field: number): boolean {
  const a = fieldOf(old, field)[0]?._1?.toUpperCase() ?? ''
  const b = fieldOf(now, field)[0]?._1?.toUpperCase() ?? ''
  if (a === '' || b === '') return true
  if (field === 2) return compareSum([decimalOfNm(a)], decimalOfNm(b), 1) === 0 || a === b
  return field === 3 ? a === b : a.startsWith(b) || b.startsWith(a)
}

/** The same for a give (RXG-3), whose timing is its own. */
export function withGiveTiming(order: SourceOrder): SourceOrder {
  const { RXG } = order
  const given = fieldOf(RXG, 3)
  if (!RXG || RXG.TQ1 || given.length === 0) return order
  return { ...order, RXG: { ...RXG, TQ1: given.map(timingSegment) } }
}

/** Place 0: no segment of the message. */
function timingSegment(tq: SourceRepetition): SourceSegment {
  const { duration, count, words } = durationOf(tq._3)
  const pattern = tq._2
  const isCode = pattern !== undefined && /^\S+$/.test(pattern)
  const instruction = [isCode ? undefined : pattern, words, tq._8, wordsOf('order sequencing', tq._10)]
  return segment({
    TQ1_2: tq._1 === undefined ? undefined : { _: tq._1, _1: tq._1, ...(tq._1_2 ? { _2: tq._1_2 } : {}) },
    TQ1_3: isCode ? single(pattern) : undefined,
    TQ1_4: tq._2_2?.split(',').map((time) => ({ _: time, _1: time })),
    TQ1_6: duration,
    TQ1_7: single(tq._4),
    TQ1_8: single(tq._5),
    TQ1_9: single(tq._6),
    TQ1_10: single(tq._7),
    TQ1_11: single(instruction.filter((each) => each !== undefined).join('; ') || undefined),
    TQ1_12: single(tq._9),
    TQ1_14: single(tq._12 ?? count),
  })
}

/** TQ.3: unit and number (`D10`), how often (`X3`), `INDEF`; anything else is told in words. */
function durationOf(text: string | undefined): {
  duration?: SourceRepetition
  count?: string | undefined
  words?: string | undefined
} {
  if (text === undefined || text === 'INDEF') return {}
  const [, unit, number] = /^([SMHDWLX])(\d+)$/i.exec(text) ?? []
  if (unit === undefined || number === undefined) return { words: wordsOf('duration', text) }
  if (unit.toUpperCase() === 'X') return { count: number }
  return { duration: { _: text, _1: number, _2: unit.toUpperCase() } }
}

function wordsOf(what: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : `${what}: ${text}`
}

function single(text: string | undefined): SourceRepetition | undefined {
  return text === undefined ? undefined : { _: text, _1: text }
}

function segment(fields: Record<string, SourceRepetition | SourceRepetition[] | undefined>): SourceSegment {
  const node: SourceSegment = { _: 'TQ1', at: 0 }
  for (const [name, value] of Object.entries(fields)) if (value) node[name] = [value].flat()
  return node
}
