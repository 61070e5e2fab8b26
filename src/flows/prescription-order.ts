import type { Attestation, Flow, Party, ReadContext } from '#core/flow.ts'
import { fhirDateTime } from '#formats/hl7v2/date-time.ts'
import { requireSameOrder } from '#formats/hl7v2/order-copy.ts'
import type { SourceOrder, SourceRepetition } from '#formats/hl7v2/source.ts'
import { type CopiedElements, copiedElements } from './copied-elements.ts'
import { entityIdentifierOf } from './hl7v2-datatypes.ts'
import { patientParty, pharmacyParty, practitionerParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource } from './hl7v2-source.ts'
import { orderLinkOf } from './order-number.ts'
import { prescriptionOrderRules } from './prescription-order-rules.ts'
import { withTiming } from './quantity-timing.ts'

/**
 * RDE^O11, pharmacy/treatment encoded order: of each order one MedicationRequest for RXO (as placed) and one for RXE
 * (as encoded), never merged, with a Task for the pharmacy where it is in force.
 */
export const prescriptionOrder: Flow<OrderSource> = {
  name: 'prescription-order',
  title: 'Prescription order (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['RDE^O11'] },
  read: readOrder,
  messageId: (source) => source.controlId,
  primary: 'MedicationRequest',
  parties: partiesOf,
  placed: ({ facility, orders }) => orders.map((order, index) => orderLinkOf(facility, order, index)),
  rules: prescriptionOrderRules,
  attestation: attestationOf,
  mapping: 'prescription-order',
  profiles: { MedicationRequest: 'https://postern.health/fhir/StructureDefinition/Prescription' },
  receivers: [
    { role: 'ehr', types: ['MedicationRequest'] },
    { role: 'pharmacy', types: ['MedicationRequest', 'Task'] },
  ],
}

/** Orders, and the exact copies that some of them bring along. */
export interface OrderSource extends Hl7v2Source {
  copies: CopiedElements
}

function readOrder(body: Uint8Array, context: ReadContext): OrderSource {
  const source = readSource(body, context)
  const copies = copiedElements(source, (copy, order) => requireSameOrder(copy, order, source.version))
  return { ...source, orders: source.orders.map(withTiming), copies }
}

function partiesOf(source: Hl7v2Source): Party[] {
  const subject = source.PID && patientParty(source.facility, source.PID)
  return [
    subject,
    ...source.orders.flatMap((order, index) => orderParties(source.facility, order, index)),
  ].filter((party) => party !== undefined)
}

function orderParties(
  facility: string,
  { ORC, RXO, RXE }: SourceOrder,
  index: number,
): (Party | undefined)[] {
  const [ordering] = fieldOf(ORC, 12)
  const [placed] = fieldOf(RXO, 14)
  const [encoded] = fieldOf(RXE, 13)
  // The number to call back and the address are those of the one in ORC-12 only.
  const contact = ordering?._1 ? { phone: fieldOf(ORC, 14)[0], address: fieldOf(ORC, 24)[0] } : {}
  return [
    practitionerParty(facility, `requester-rxo-${index}`, identified(ordering, placed), contact),
    practitionerParty(facility, `requester-rxe-${index}`, identified(ordering, encoded), contact),
    practitionerParty(facility, `enterer-${index}`, fieldOf(ORC, 10)[0]),
    practitionerParty(facility, `verifier-${index}`, identified(...fieldOf(ORC, 11), ...fieldOf(RXE, 14))),
    pharmacyParty(facility, `pharmacy-rxo-${index}`, fieldOf(RXO, 32)[0], {
      address: fieldOf(RXO, 33)[0],
      phone: fieldOf(RXO, 36)[0],
    }),
    pharmacyParty(facility, `pharmacy-rxe-${index}`, fieldOf(RXE, 40)[0], {
      address: fieldOf(RXE, 41)[0],
      phone: fieldOf(RXE, 45)[0],
    }),
  ]
}

function identified(...values: (SourceRepetition | undefined)[]): SourceRepetition | undefined {
  return values.find((value) => value?._1 !== undefined)
}

/** ORC-12 says who ordered; an order without one was authorised by nobody we could name, and holds the others up. */
function attestationOf(source: Hl7v2Source): Attestation | undefined {
  const { orders, facility, timeZone } = source
  const ordered = orders.map(({ ORC }) => fieldOf(ORC, 12)[0])
  if (orders.length === 0 || ordered.some((provider) => provider?._1 === undefined)) return undefined
  const slots = orders.map(({ RXE }, index) => `requester-${RXE ? 'rxe' : 'rxo'}-${index}`)
  const [first = '', ...further] = slots
  const [number] = fieldOf(orders[0]?.ORC, 2)
  const reference = number && entityIdentifierOf(facility, number)
  const at = fhirDateTime(fieldOf(orders[0]?.ORC, 9)[0]?._1 ?? '', timeZone)
  return {
    by: first,
    others: [
      ...further.map((slot) => ({ slot, role: 'attester' as const })),
      ...orders.flatMap((_order, index) => [
        { slot: `enterer-${index}`, role: 'enterer' as const },
        { slot: `verifier-${index}`, role: 'verifier' as const },
      ]),
    ],
    ...(at ? { at } : {}),
    method: 'ordering provider named in ORC-12',
    ...(reference ? { reference } : {}),
  }
}
