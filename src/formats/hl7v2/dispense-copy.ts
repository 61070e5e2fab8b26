import type { MedicationDispense } from 'fhir/r4'
import type { PlacedCopy } from './copy.ts'
import {
  copyRefused,
  dialectOfCopy,
  type Field,
  fields,
  requireSameFields,
  type Segments,
} from './copy-fields.ts'
import { writeDispenseMessage } from './dispense-message.ts'
import { isDispenseElement } from './dispense-rest.ts'
import { readMessage } from './message.ts'
import { type SourceOrder, type SourceSegment, sourceTree } from './source.ts'

/** The copy. Throws Failure `invalid` for a copy (ZFH) that says anything else of the dispense than its fields do (formats/hl7v2/copy-fields). */
export function requireSameDispense(copy: PlacedCopy, order: SourceOrder, version: string): PlacedCopy {
  const names = Object.keys(copy.elements)
  if (copy.resourceType !== 'MedicationDispense' || !names.every(isDispenseElement))
    throw copyRefused(copy, 'holds what is not copied of a dispense')
  if ('contained' in copy.elements && !names.includes('medicationReference'))
    throw copyRefused(copy, 'holds a drug that is not what was dispensed')
  requireSameFields(copy, {
    received: segmentsOf(order),
    told: () => segmentsOf(written(copy, version)),
    shownIn: (name) => shownIn[name] ?? [],
  })
  return copy
}

/** The copied elements as a dispense of their own; what it needs beside them is compared with nothing. */
function written(copy: PlacedCopy, version: string): SourceOrder {
  const { elements } = copy
  const named = 'medicationCodeableConcept' in elements || 'medicationReference' in elements
  const dated = 'whenHandedOver' in elements || 'whenPrepared' in elements
  const dispense = {
    resourceType: 'MedicationDispense',
    status: 'completed',
    authorizingPrescription: [{ identifier: { value: 'x' } }],
    quantity: { value: 1 },
    ...(named ? {} : { medicationCodeableConcept: { text: 'x' } }),
    ...(dated ? {} : { whenHandedOver: '2000-01-01' }),
    ...elements,
  } as MedicationDispense
  const patient = { resourceType: 'Patient', id: 'x' } as const
  const dialect = dialectOfCopy(copy, version)
  const text = writeDispenseMessage({ dispense, patient, dialect, controlId: 'x', at: 0 })
  const [only] = sourceTree(readMessage(text)).orders
  return only ?? {}
}

const medication: readonly Field[] = [...fields('RXD', 2, 6, 16, 17, 18, 19, 20, 25, 28, 29), ['RXC']]

/** The fields that an element is written in, and nothing else is. */
const shownIn: Record<string, readonly Field[]> = {
  medicationCodeableConcept: medication,
  medicationReference: medication,
  dosageInstruction: [['RXD', 12], ['RXR']],
  location: fields('RXD', 30),
  quantity: fields('RXD', 4, 5),
  substitution: fields('RXD', 11),
  type: fields('RXD', 33),
  whenHandedOver: fields('RXD', 3),
  whenPrepared: fields('RXD', 3),
}

function segmentsOf({ RXD }: SourceOrder): Segments {
  const under = (name: string) => (RXD?.[name] as SourceSegment[] | undefined) ?? []
  return { RXD: RXD ? [RXD] : [], RXR: under('RXR'), RXC: under('RXC') }
}
