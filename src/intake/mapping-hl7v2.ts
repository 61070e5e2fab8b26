import {
  addressOf,
  contactPointOf,
  humanNamesOf,
  type Identifier,
  identifierOf,
} from '#flows/hl7v2-datatypes.ts'
import { fieldOf, segmentsNamed } from '#flows/hl7v2-source.ts'
import { fhirDate, fhirDateTime } from '#formats/hl7v2/date-time.ts'
import { sourceTimeUrl } from '#formats/hl7v2/said.ts'
import type { SourceRepetition, SourceSegment } from '#formats/hl7v2/source.ts'

/**
 * HL7 v2 datatypes as FHIR's, for mappings: the very functions by which a flow's parties are found, so that a person is
 * stored under the identifiers that the next message looks for. Each takes a list of repetitions, or one.
 */
export const hl7v2Functions = {
  /** `$cx(source.facility, PID_3)`: Identifiers with type, period and assigner; one that comes twice stands once. */
  cx(facility: string, values: Some): object[] {
    const found = new Map<string, object>()
    for (const value of listOf(values)) {
      const identifier = identifierOf(facility, value)
      const key = identifier && `${identifier.system}|${identifier.value}`
      const isNew =
        key !== undefined &&
        (!found.has(key) || (value._5 !== undefined && !('type' in (found.get(key) ?? {}))))
      if (identifier && isNew) found.set(key, wholeIdentifier(identifier, value))
    }
    return [...found.values()]
  },
  /** `$xpn(PID_5)`: HumanNames; the ones without a use of their own get the one given. */
  xpn: (values: Some, use?: string): object[] =>
    listOf(values).flatMap((value) => humanNamesOf(value).map((name) => withUse(name, use))),
  /** `$xad(PID_11)`: Addresses. */
  xad: (values: Some): object[] => listOf(values).flatMap((value) => addressOf(value) ?? []),
  /** `$xtn(PID_13, 'home')`: ContactPoints. */
  xtn: (values: Some, use?: string): object[] =>
    listOf(values).flatMap((value) => contactPointOf(value, use) ?? []),
  /** `$unspaced(OBX_5._5)`: Base64 without the line breaks that it may have; of any length, as no pattern of a mapping is. */
  unspaced: (text: string | undefined): string | undefined => text?.replace(/\s+/g, ''),
  /**
   * `$sourceTime(source.MSH, source.timeZone, message.received)`: the extension that says when the sender recorded what it
   * tells (EVN-2, else MSH-7), by which an older message that comes late is known. To the minute at least, and never after
   * it came: a clock that is ahead would shut out its own corrections.
   */
  sourceTime(header: SourceSegment, timeZone: string, received: string): object | undefined {
    const [event] = segmentsNamed(header, 'EVN')
    const text = [fieldOf(event, 2)[0]?._1, fieldOf(header, 7)[0]?._1].find((each) =>
      /^\d{12}/.test(each ?? ''),
    )
    const told = fhirDateTime(text ?? '', timeZone)
    if (told === undefined) return undefined
    return { url: sourceTimeUrl, valueDateTime: Date.parse(told) > Date.parse(received) ? received : told }
  },
}

type Some = readonly SourceRepetition[] | SourceRepetition | undefined

function listOf(values: Some): readonly SourceRepetition[] {
  return [values ?? []].flat()
}

function wholeIdentifier(identifier: Identifier, value: SourceRepetition): object {
  const { _4, _4_2, _4_3 = '', _5, _6, _7, _8 } = value
  const start = fhirDate(_7 ?? '')
  const end = fhirDate(_8 ?? '')
  // An id of the authority that makes no URI stands in no system.
  const authority = _4_2 && !/^(?:ISO|UUID|URI)$/.test(_4_3) ? { identifier: { value: _4_2 } } : undefined
  const name = _6 ?? (authority && _4)
  return {
    ...(_5
      ? { type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: _5 }] } }
      : {}),
    ...identifier,
    ...(start || end ? { period: { ...(start ? { start } : {}), ...(end ? { end } : {}) } } : {}),
    ...(name || authority ? { assigner: { ...(name ? { display: name } : {}), ...authority } } : {}),
  }
}

function withUse(name: object, use: string | undefined): object {
  return use === undefined ? name : { use, ...name }
}
