import type { MedicationRequest } from 'fhir/r4'
import type { Hl7v2Dialect } from '#core/destination.ts'
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
import { writeOrderMessage } from './order-message.ts'
import { isOrderElement } from './order-rest.ts'
import { type SourceOrder, type SourceSegment, sourceTree } from './source.ts'

/**
 * The copy. Throws Failure `invalid` for a copy (ZFH) that says anything else of the order than its fields do. Two truths in one
 * message would let one reader dispense what another never saw: so the copied elements are written as fields once
 * more, and must come out as the fields that came. Elements that no field of the message shows are added by the copy.
 */
export function requireSameOrder(copy: PlacedCopy, order: SourceOrder, version: string): PlacedCopy {
  const names = Object.keys(copy.elements)
  if (copy.resourceType !== 'MedicationRequest' || !names.every(isOrderElement))
    throw copyRefused(copy, 'holds what is not copied of an order')
  // A drug that nothing points to would be compared with no field.
  const inside = JSON.stringify(copy.elements.contained ?? [])
  if (inside.includes('"Medication"') && !names.includes('medicationReference'))
    throw copyRefused(copy, 'holds a drug that is not the order’s')
  const detail = order.RXE ? 'RXE' : 'RXO'
  const orders = detail === 'RXE' ? 'RDE' : 'OMP'
  requireSameFields(copy, {
    received: segmentsOf(order, detail),
    told: () => segmentsOf(written(copy, { ...dialectOfCopy(copy, version), orders }), detail),
    shownIn: (name) => shownIn[name]?.[detail] ?? [],
  })
  return copy
}

/** The copied elements as an order of their own; what it needs beside them is compared with nothing. */
function written({ elements }: PlacedCopy, dialect: Hl7v2Dialect): SourceOrder {
  const named = 'medicationCodeableConcept' in elements || 'medicationReference' in elements
  const order = {
    resourceType: 'MedicationRequest',
    id: 'x',
    status: 'active',
    intent: 'order',
    subject: {},
    ...(named ? {} : { medicationCodeableConcept: { text: 'x' } }),
    ...elements,
  } as MedicationRequest
  const patient = { resourceType: 'Patient', id: 'x' } as const
  const text = writeOrderMessage({ order, patient, audience: 'ehr', dialect, controlId: 'x', at: 0 })
  const [only] = sourceTree(readMessage(text)).orders
  return only ?? {}
}

/** The fields that an element is written in, and nothing else is. */
const shownIn: Record<string, Record<'RXE' | 'RXO', readonly Field[]>> = {
  medicationCodeableConcept: medicationIn(),
  medicationReference: medicationIn(),
  dosageInstruction: {
    RXE: [...fields('RXE', 1, 3, 4, 5, 7, 19, 22, 23, 24), ...timing(), ['RXR']],
    RXO: [...fields('RXO', 2, 3, 4, 7, 17, 21, 22, 23), ['ORC', 7], ...timing(), ['RXR']],
  },
  dispenseRequest: {
    RXE: [...fields('RXE', 10, 11, 12, 39), ['ORC', 15]],
    RXO: [...fields('RXO', 11, 12, 13, 28), ['ORC', 15]],
  },
  substitution: { RXE: fields('RXE', 9), RXO: fields('RXO', 9) },
  reasonCode: { RXE: fields('RXE', 27), RXO: fields('RXO', 20) },
  category: { RXE: [['ORC', 29]], RXO: [['ORC', 29]] },
}

function medicationIn(): Record<'RXE' | 'RXO', readonly Field[]> {
  return {
    RXE: [...fields('RXE', 2, 6, 25, 26, 31, 33, 34), ['RXC']],
    RXO: [...fields('RXO', 1, 5, 18, 19, 24, 25, 26), ['RXC']],
  }
}

/** All of TQ1 but its priority, which is the order's. */
function timing(): Field[] {
  return fields('TQ1', 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14)
}

function segmentsOf({ ORC, RXO, RXE }: SourceOrder, detail: 'RXE' | 'RXO'): Segments {
  const main = detail === 'RXE' ? RXE : RXO
  const under = (name: string) =>
    [ORC, main].flatMap((owner) => (owner?.[name] as SourceSegment[] | undefined) ?? [])
  return {
    ORC: ORC ? [ORC] : [],
    [detail]: main ? [main] : [],
    TQ1: under('TQ1'),
    RXR: under('RXR'),
    RXC: under('RXC'),
  }
}
