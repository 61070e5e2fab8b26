import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow, OrderLink, Party, ReadContext } from '#core/flow.ts'
import { requireSameDispense } from '#formats/hl7v2/dispense-copy.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { type CopiedElements, copiedElements } from './copied-elements.ts'
import { amountIssues } from './hl7v2-amounts.ts'
import { controlNeeds, type Need, patientNeed, requireEach } from './hl7v2-needs.ts'
import { patientParty, practitionerParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource } from './hl7v2-source.ts'
import { orderLinkOf } from './order-number.ts'

/**
 * RDS^O13, pharmacy/treatment dispense: one MedicationDispense for each RXD, on the order of ours that it names. What
 * follows from it (order completed, too much dispensed, dispensed after stop) is care's to say.
 */
export const dispense: Flow<DispenseSource> = {
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

/** Dispenses, and the exact copies that some of them bring along. */
interface DispenseSource extends Hl7v2Source {
  copies: CopiedElements
}

function readDispense(body: Uint8Array, context: ReadContext): DispenseSource {
  const source = readSource(body, context)
  const copies = copiedElements(source, (copy, order) => requireSameDispense(copy, order, source.version))
  return { ...source, copies }
}

function partiesOf({ facility, PID, orders }: Hl7v2Source): Party[] {
  return [
    PID && patientParty(facility, PID),
    ...orders.map(({ RXD }, index) => practitionerParty(facility, `dispenser-${index}`, fieldOf(RXD, 10)[0])),
  ].filter((party) => party !== undefined)
}

function ordersOf({ facility, orders }: Hl7v2Source): OrderLink[] {
  return orders.map((order, index) => orderLinkOf(facility, order, index))
}

/** Order control codes (table 0119) that go with a dispense that has happened. */
const understoodControls = ['RE', 'NW', 'FU']

function onlyDispenses(source: Hl7v2Source): ReturnType<CareRule<Hl7v2Source>> {
  const { orders } = source
  requireEach(controlNeeds(source))
  const issues = orders.flatMap(({ ORC }, index): Issue[] => {
    const control = fieldOf(ORC, 1)[0]?._1
    if (control !== undefined && understoodControls.includes(control)) return []
    const text = 'Only dispenses that have happened (ORC-1 = RE, FU or NW) are understood'
    return [{ text, expression: `ORC[${index + 1}]-1` }]
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

function hasWhatItTells(source: Hl7v2Source): ReturnType<CareRule<Hl7v2Source>> {
  const { PID, orders } = source
  const needs = [
    patientNeed(PID),
    [orders.length > 0, 'ORC', 'A dispense is required'],
    ...orders.flatMap(({ RXD }, index) => needsOf(RXD, `RXD[${index + 1}]`)),
  ] satisfies Need[]
  requireEach(needs, amountIssues(source, ['RXD']))
  return { keep: true }
}

function needsOf(RXD: SourceSegment | undefined, place: string): Need[] {
  if (!RXD) return [[false, place, 'RXD is required']]
  return [
    [fieldOf(RXD, 2).length > 0, `${place}-2`, 'What was dispensed is required'],
    [fieldOf(RXD, 3).length > 0, `${place}-3`, 'When it was dispensed is required'],
    [fieldOf(RXD, 4).length > 0, `${place}-4`, 'How much was dispensed is required'],
  ]
}
