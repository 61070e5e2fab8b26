import { elementsForMapping, type PlacedCopy, readCopy } from '#formats/hl7v2/copy.ts'
import type { SourceOrder, SourceSegment } from '#formats/hl7v2/source.ts'
import { type Hl7v2Source, placeOf, segmentsNamed } from './hl7v2-source.ts'

/** Elements that came as a copy (ZFH) with the nth order or report, from 0; decimals are strings. */
export type CopiedElements = Record<string, Record<string, unknown>>

/**
 * `requireSame` throws for a copy that says anything else than the fields of its order, and gives it back with
 * what stands in the fields alone.
 */
export function copiedElements(
  source: Hl7v2Source,
  requireSame: (copy: PlacedCopy, order: SourceOrder) => PlacedCopy,
): CopiedElements {
  const found = source.orders.flatMap((order, index) => {
    const copy = copyAmong(
      source,
      Object.values(order).flatMap((owner) => segmentsNamed(owner, 'ZFH')),
    )
    if (!copy) return []
    return [[String(index), elementsForMapping(requireSame(copy, order))] as const]
  })
  return Object.fromEntries(found)
}

/** The one that is ours, with its place. */
export function copyAmong(source: Hl7v2Source, segments: readonly SourceSegment[]): PlacedCopy | undefined {
  return readCopy(segments, (segment, field) => placeOf(source, segment, field))
}
