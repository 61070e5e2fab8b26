import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow, OrderLink, Party, ReadContext } from '#core/flow.ts'
import { decodeText } from '#formats/hl7v2/charset.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import { type SourceRepetition, sourceTree } from '#formats/hl7v2/source.ts'
import { entityIdentifierOf, type Identifier } from './hl7v2-datatypes.ts'
import { fieldOf, patientParty, practitionerParty } from './hl7v2-people.ts'
import type { PrescriptionOrder } from './prescription-order-source.ts'

/**
 * RDS^O13, pharmacy/treatment dispense: one MedicationDispense for each RXD, on the order of ours that it names. What
 * follows from it (order completed, too much dispensed, dispensed after stop) is care's to say.
 */
export const dispense: Flow<PrescriptionOrder> = {
  name: 'dispense',
  title: 'Dispense (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['RDS^O13'] },
  read: readDispense,
  messageId: (source) => source.controlId,
  primary: 'MedicationDispense',
  parties: partiesOf,
  orders: ordersOf,
  rules: [onlyDispenses, hasWhatItTells],
  mapping: 'dispense',
  profiles: {},
  receivers: [{ role: 'ehr', types: ['MedicationDispense'] }],
}

function readDispense(body: Uint8Array, { timeZone }: ReadContext): PrescriptionOrder {
  const { text, charset } = decodeText(body)
  const tree = sourceTree(readMessage(text, charset))
  const [sender] = fieldOf(tree.MSH, 4)
  return { ...tree, timeZone, facility: sender?._1 ?? sender?._2 ?? 'unknown' }
}

function partiesOf({ facility, PID, orders }: PrescriptionOrder): Party[] {
  return [
    PID && patientParty(facility, PID),
    ...orders.map(({ RXD }, index) => practitionerParty(facility, `dispenser-${index}`, fieldOf(RXD, 10)[0])),
  ].filter((party) => party !== undefined)
}

/** Our own number for the order comes back in ORC-2; the pharmacy's stand in ORC-3 and RXD-7. */
function ordersOf({ facility, orders }: PrescriptionOrder): OrderLink[] {
  return orders.map(({ ORC, RXD }, index) => {
    const [placer] = fieldOf(ORC, 2)
    const [filler] = fieldOf(ORC, 3)
    const values = [placer?._1, fieldOf(RXD, 7)[0]?._1, filler?._1]
    return {
      slot: `order-${index}`,
      identifiers: [placer, filler].flatMap((number) => orderNumber(facility, number)),
      values: values.filter((value) => value !== undefined),
      place: `ORC[${index + 1}]-2`,
    }
  })
}

/** EI; one whose universal id is a URI carries its system as it is, as we write it (gap_08). */
function orderNumber(facility: string, number: SourceRepetition | undefined): Identifier[] {
  if (!number?._1) return []
  if (number._4 === 'URI' && number._3) return [{ system: number._3, value: number._1 }]
  return [entityIdentifierOf(facility, number)].filter((each) => each !== undefined)
}

/** Order control codes (table 0119) that go with a dispense that has happened. */
const understoodControls = ['RE', 'NW', 'FU']

function onlyDispenses({ orders }: PrescriptionOrder): ReturnType<CareRule<PrescriptionOrder>> {
  const issues = orders.flatMap(({ ORC }, index): Issue[] => {
    const control = fieldOf(ORC, 1)[0]?._1
    if (control !== undefined && understoodControls.includes(control)) return []
    const text = 'Only dispenses that have happened (ORC-1 = RE, FU or NW) are understood'
    return [{ text, expression: `ORC[${index + 1}]-1` }]
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

function hasWhatItTells({ PID, orders }: PrescriptionOrder): ReturnType<CareRule<PrescriptionOrder>> {
  const issues: Issue[] = []
  const requireField = (is: boolean, expression: string, text: string) => {
    if (!is) issues.push({ code: 'required', text, expression })
  }
  requireField(
    fieldOf(PID, 3).some((value) => value._1),
    'PID-3',
    'A patient identifier is required',
  )
  requireField(orders.length > 0, 'ORC', 'A dispense is required')
  for (const [index, { RXD }] of orders.entries()) {
    const place = `RXD[${index + 1}]`
    requireField(RXD !== undefined, place, 'RXD is required')
    if (!RXD) continue
    requireField(fieldOf(RXD, 2).length > 0, `${place}-2`, 'What was dispensed is required')
    requireField(fieldOf(RXD, 3).length > 0, `${place}-3`, 'When it was dispensed is required')
    requireField(isNumber(fieldOf(RXD, 4)[0]), `${place}-4`, 'must be a number without unit')
    requireField(
      [12, 16, 28].every((field) => fieldOf(RXD, field).length === 0 || isNumber(fieldOf(RXD, field)[0])),
      place,
      'RXD-12, -16 and -28 must be numbers without unit',
    )
  }
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}

function isNumber(value: SourceRepetition | undefined): boolean {
  return /^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(value?._1 ?? '')
}
