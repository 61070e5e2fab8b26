import type { Communication, CommunicationPayload } from 'fhir/r4'
import { writeCommunicationMessage } from './communication-message.ts'
import { isCommunicationElement } from './communication-rest.ts'
import type { PlacedCopy } from './copy.ts'
import {
  copyRefused,
  dialectOfCopy,
  type Field,
  fields,
  requireSameFields,
  type Segments,
} from './copy-fields.ts'
import { readMessage } from './message.ts'
import { type SourceRepetition, type SourceSegment, sourceTree } from './source.ts'

/**
 * The copy with the data of its files, which stand in OBX alone. Throws Failure `invalid` for a copy (ZFH) that says anything
 * else of the message than its fields do (formats/hl7v2/copy-fields).
 */
export function requireSameCommunication(
  copy: PlacedCopy,
  { TXA, OBX }: { TXA: readonly SourceSegment[]; OBX: readonly SourceSegment[] },
  version: string,
): PlacedCopy {
  if (copy.resourceType !== 'Communication' || !Object.keys(copy.elements).every(isCommunicationElement))
    throw copyRefused(copy, 'holds what is not copied of a message')
  const whole = withFiles(copy, OBX)
  requireSameFields(whole, {
    received: { TXA, OBX },
    told: () => written(whole, version),
    shownIn: (name) => shownIn[name] ?? [],
  })
  return whole
}

function withFiles(copy: PlacedCopy, OBX: readonly SourceSegment[]): PlacedCopy {
  const { payload } = copy.elements as { payload?: CommunicationPayload[] }
  if (!Array.isArray(payload)) return copy
  const data = OBX.filter((obx) => first(obx, 2) === 'ED').map((obx) => first(obx, 5, '_5'))
  let file = 0
  const filled = payload.map((each) =>
    each?.contentAttachment
      ? { ...each, contentAttachment: { ...each.contentAttachment, data: data[file++] ?? '' } }
      : each,
  )
  return { ...copy, elements: { ...copy.elements, payload: filled } }
}

function first(segment: SourceSegment, field: number, component = '_1'): string | undefined {
  const [value] = (segment[`${segment._}_${field}`] ?? []) as SourceRepetition[]
  return value?.[component]
}

/** The copied elements as a message of their own; what it needs beside them is compared with nothing. */
function written(copy: PlacedCopy, version: string): Segments {
  const communication = {
    resourceType: 'Communication',
    id: 'x',
    status: 'completed',
    payload: [{ contentString: 'x' }],
    ...copy.elements,
  } as Communication
  const dialect = dialectOfCopy(copy, version)
  const patient = { resourceType: 'Patient', id: 'x' } as const
  const text = writeCommunicationMessage({
    communication,
    patient,
    recipients: [],
    dialect,
    controlId: 'x',
    at: 0,
  })
  const { PID } = sourceTree(readMessage(text))
  const named = (name: string) => (PID?.[name] as SourceSegment[] | undefined) ?? []
  return { TXA: named('TXA'), OBX: named('OBX') }
}

/** The fields that an element is written in, and nothing else is. */
const shownIn: Record<string, readonly Field[]> = {
  payload: fields('OBX', 2, 3, 5),
  sent: fields('TXA', 6),
  topic: fields('TXA', 2),
}
