import { Failure } from '#core/failure.ts'
import { asStrings, parseJson, stringifyJson } from '#formats/json.ts'
import { composed, segmentOf } from './compose.ts'
import type { SourceSegment } from './source.ts'

/**
 * ZFH, a segment of ours after the others of an order, a document or a report: those elements of the FHIR resource which the fields before it do not say, or
 * not exactly. Who knows no ZFH passes it over, as it must any segment that it does not expect (HL7 v2.5.1 §2.6.2).
 *
 * | field | holds |
 * |---|---|
 * | ZFH-1 | `https://postern.health/hl7v2/zfh`: other people's Z-segments may have the same name |
 * | ZFH-2 | `MedicationRequest^4.0.1` |
 * | ZFH-3 | a JSON object of whole elements, in ASCII whatever the character set |
 * | ZFH-4 | the IANA zone that the times of the fields were told in, where they were changed to one |
 */
export interface Copy {
  resourceType: string
  /** Decimals are kept numbers (core/decimal). */
  elements: Record<string, unknown>
  timeZone?: string
}

/** And where it was read, for a refusal. */
export interface PlacedCopy extends Copy {
  place: string
}

const name = 'https://postern.health/hl7v2/zfh'
const maxBytes = 256 * 1024
const maxDepth = 24

export function copySegment({ resourceType, elements, timeZone = '' }: Copy): string {
  if (Object.keys(elements).length === 0) return ''
  const json = stringifyJson(elements).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  if (json.length > maxBytes)
    throw new Failure('unsupported', 'It holds more beside its fields than can be sent')
  return segmentOf('ZFH', {
    1: composed([name]),
    2: composed([resourceType, '4.0.1']),
    3: composed([json]),
    4: composed([timeZone]),
  })
}

/**
 * The copy among the ZFH of one order or document; undefined where none of them is ours. Throws Failure `invalid` for
 * one of ours that cannot be read: what it tells would be lost.
 */
export function readCopy(
  segments: readonly SourceSegment[],
  placeOf: (segment: SourceSegment, field?: number) => string,
): PlacedCopy | undefined {
  const [segment, ...more] = segments.filter((each) => textOf(each, 1) === name)
  if (!segment) return undefined
  const expression = placeOf(segment, 3)
  const [second] = more
  if (second) throw new Failure('invalid', [{ text: 'One ZFH each', expression: placeOf(second) }])
  const [resourceType = ''] = textOf(segment, 2).split('^')
  const timeZone = textOf(segment, 4)
  try {
    const elements = parseJson(textOf(segment, 3), { maxBytes, maxDepth })
    if (typeof elements !== 'object' || elements === null || Array.isArray(elements))
      throw new Failure('malformed', 'no object')
    return { resourceType, elements: { ...elements }, place: expression, ...(timeZone ? { timeZone } : {}) }
  } catch (cause) {
    throw new Failure('invalid', [{ text: 'must be a JSON object of elements', expression }], { cause })
  }
}

/** As mappings see resources: decimals are strings of their digits. */
export function elementsForMapping({ elements }: Pick<Copy, 'elements'>): Record<string, unknown> {
  return asStrings(elements) as Record<string, unknown>
}

function textOf(segment: SourceSegment, field: number): string {
  const [value] = (segment[`ZFH_${field}`] ?? []) as Record<string, string>[]
  return value?._ ?? ''
}
