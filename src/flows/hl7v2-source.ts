import type { ReadContext } from '#core/flow.ts'
import { decodeText } from '#formats/hl7v2/charset.ts'
import { segmentsUnder } from '#formats/hl7v2/coverage.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import {
  type SourceRepetition,
  type SourceSegment,
  type SourceTree,
  sourceTree,
} from '#formats/hl7v2/source.ts'

/** An HL7 v2 message as its tree (formats/hl7v2/source), and what the tree alone does not say. */
export interface Hl7v2Source extends SourceTree {
  /** IANA zone of times without offset. */
  timeZone: string
  /** MSH-4, of which our own identifier systems for this sender's numbers are made. */
  facility: string
}

/** Throws Failure `malformed` for what is no message; `several` where its patients may be more than one. */
export function readSource(
  body: Uint8Array,
  { timeZone }: ReadContext,
  patients: 'one' | 'several' = 'one',
): Hl7v2Source {
  const { text, charset } = decodeText(body)
  const tree = sourceTree(readMessage(text, charset), patients)
  const [sender] = fieldOf(tree.MSH, 4)
  return { ...tree, timeZone, facility: sender?._1 ?? sender?._2 ?? 'unknown' }
}

/** A field's repetitions that hold something. */
export function fieldOf(segment: SourceSegment | undefined, field: number): SourceRepetition[] {
  const value = segment?.[`${segment._}_${field}`]
  return Array.isArray(value) ? (value as SourceRepetition[]).filter((each) => each._ !== undefined) : []
}

/** The segments of a name that stand under another one. */
export function segmentsNamed(owner: SourceSegment | undefined, name: string): SourceSegment[] {
  const found = owner?.[name]
  return Array.isArray(found) ? (found as SourceSegment[]) : []
}

/** The segments of a name wherever they stand: under the header, the patient and each order, in this order. */
export function segmentsAnywhere({ MSH, PID, orders }: SourceTree, name: string): SourceSegment[] {
  const owners = [MSH, PID, ...orders.flatMap((order) => Object.values(order))]
  return owners.flatMap((owner) => segmentsNamed(owner, name))
}

/** Every segment, each once, in the order of the message. */
export function allSegments({ MSH, PID, orders }: SourceTree): SourceSegment[] {
  const owners = [MSH, PID, ...orders.flatMap((order) => Object.values(order))]
  return owners.flatMap((owner) => (owner ? withThoseUnder(owner) : [])).sort((a, b) => a.at - b.at)
}

function withThoseUnder(segment: SourceSegment): SourceSegment[] {
  return [segment, ...segmentsUnder(segment).flatMap(withThoseUnder)]
}

/** Where a segment stands, for a refusal: `RXE[2]-3` for field 3 of the second RXE of the message. */
export function placeOf(source: SourceTree, segment: SourceSegment, field?: number): string {
  const before = allSegments(source).filter(({ _, at }) => _ === segment._ && at > 0 && at <= segment.at)
  return `${segment._}[${before.length}]${field === undefined ? '' : `-${field}`}`
}
