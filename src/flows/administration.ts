import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow, Party } from '#core/flow.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { amountIssues } from './hl7v2-amounts.ts'
import { controlNeeds, type Need, patientNeed, requireEach } from './hl7v2-needs.ts'
import { patientParty, practitionerParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource } from './hl7v2-source.ts'
import { orderLinkOf } from './order-number.ts'

type Rule = CareRule<Hl7v2Source>

/**
 * RAS^O17, pharmacy/treatment administration: one MedicationAdministration for each RXA, on the order of ours that it
 * names. What was given is a fact; it moves no order and no dispense.
 */
export const administration: Flow<Hl7v2Source> = {
  name: 'administration',
  title: 'Administration (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['RAS^O17'] },
  read: readSource,
  messageId: (source) => source.controlId,
  primary: 'MedicationAdministration',
  parties: ({ facility, PID, orders }): Party[] =>
    [
      PID && patientParty(facility, PID),
      ...orders.map(({ RXA }, index) => practitionerParty(facility, `giver-${index}`, fieldOf(RXA, 10)[0])),
    ].filter((party) => party !== undefined),
  orders: ({ facility, orders }) => orders.map((order, index) => orderLinkOf(facility, order, index)),
  rules: [onlyWhatHappened, hasWhatItTells],
  mapping: 'administration',
  profiles: {},
  receivers: [{ role: 'ehr', types: ['MedicationAdministration'] }],
}

/** ORC-1 (table 0119) and RXA-21 (table 0206): what is told is new; what was told is not changed by a later message. */
function onlyWhatHappened({ orders }: Hl7v2Source): ReturnType<Rule> {
  requireEach(controlNeeds({ orders }))
  const issues = orders.flatMap(({ ORC, RXA }, index): Issue[] => {
    const found: Issue[] = []
    if (!['RE', 'NW', 'OK'].includes(fieldOf(ORC, 1)[0]?._1 ?? '')) {
      const text = 'Only what was given or not given (ORC-1 = RE, NW or OK) is understood'
      found.push({ text, expression: `ORC[${index + 1}]-1` })
    }
    if ((fieldOf(RXA, 21)[0]?._1 ?? 'A') !== 'A') {
      const text = 'Only additions (RXA-21 = A) are understood'
      found.push({ text, expression: `RXA[${index + 1}]-21` })
    }
    return found
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

function hasWhatItTells(source: Hl7v2Source): ReturnType<Rule> {
  const { PID, orders } = source
  const needs = [
    patientNeed(PID),
    [orders.length > 0, 'ORC', 'An administration is required'],
    ...orders.flatMap(({ RXA }, index) => needsOf(RXA, `RXA[${index + 1}]`)),
  ] satisfies Need[]
  requireEach(needs, amountIssues(source, ['RXA']))
  return { keep: true }
}

function needsOf(RXA: SourceSegment | undefined, place: string): Need[] {
  if (!RXA) return [[false, place, 'RXA is required']]
  return [
    [fieldOf(RXA, 3).length > 0, `${place}-3`, 'When it was given is required'],
    [fieldOf(RXA, 5).length > 0, `${place}-5`, 'What was given is required'],
  ]
}
