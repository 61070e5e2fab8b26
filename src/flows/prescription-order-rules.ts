import { contradictions } from '#care/dosage-text.ts'
import { orderControlOf } from '#care/order-control.ts'
import type { DosageTiming } from '#care/prescribed-item.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule } from '#core/flow.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { amountIssues, refillIssues } from './hl7v2-amounts.ts'
import { controlNeeds, type Need, patientNeed, requireEach } from './hl7v2-needs.ts'
import { fieldOf, type Hl7v2Source, placeOf } from './hl7v2-source.ts'
import { timingIssues } from './quantity-timing.ts'

type Rule = CareRule<Hl7v2Source>

/** What is asked about an order that is there is not taken for a new one: it has messages of its own. */
const onlyNewOrders: Rule = (source) => {
  const { orders } = source
  requireEach(controlNeeds(source))
  const issues = orders.flatMap(({ ORC }, index): Issue[] => {
    const { says, because } = orderControlOf(fieldOf(ORC, 1)[0]?._1)
    const text = because ?? 'Send new orders (ORC-1 = NW) and what concerns others in messages of their own'
    return says === 'order' ? [] : [{ text, expression: `ORC[${index + 1}]-1` }]
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

const hasWhatAnOrderNeeds: Rule = (source) => {
  const { PID, orders } = source
  const needs = [
    patientNeed(PID),
    [orders.length > 0, 'ORC', 'An order is required'],
    ...orders.flatMap(({ RXO, RXE }, index): Need[] => [
      [RXO ?? RXE, `RXE[${index + 1}]`, 'RXE is required'],
      ...drugNeed(source, RXO, 1),
      ...drugNeed(source, RXE, 2),
    ]),
  ] satisfies Need[]
  requireEach(needs, [
    ...amountIssues(source, ['ORC', 'RXO', 'RXE']),
    ...timingIssues(source),
    ...refillIssues(source),
  ])
  return { keep: true }
}

function drugNeed(source: Hl7v2Source, segment: SourceSegment | undefined, field: number): Need[] {
  if (!segment || fieldOf(segment, field).length > 0) return []
  return [[false, placeOf(source, segment, field), 'A give code is required']]
}

/** Table 0335 as doses a day, as far as directions in words can be held against it. */
const patterns: Record<string, DosageTiming> = {
  QD: { frequency: 1, period: '1', periodUnit: 'd' },
  BID: { frequency: 2, period: '1', periodUnit: 'd' },
  TID: { frequency: 3, period: '1', periodUnit: 'd' },
  QID: { frequency: 4, period: '1', periodUnit: 'd' },
}

/** R6: directions that contradict dose or timing refuse an order that would be in force; a draft they only mark. */
const directionsAgree: Rule = (source, caller) => {
  const issues = source.orders.flatMap(({ ORC, RXO, RXE }) => [
    ...directionIssues(source, RXO, ORC, { directions: 7, dose: 2, most: 3, unit: 4 }),
    ...directionIssues(source, RXE, ORC, { directions: 7, dose: 3, most: 4, unit: 5 }),
  ])
  if (issues.length > 0 && caller.grants.includes('order-source')) throw new Failure('invalid', issues)
  return { keep: true, warnings: issues.map((issue) => ({ ...issue, severity: 'warning' as const })) }
}

interface DosageFields {
  directions: number
  dose: number
  most: number
  unit: number
}

function directionIssues(
  source: Hl7v2Source,
  segment: SourceSegment | undefined,
  ORC: SourceSegment | undefined,
  fields: DosageFields,
): Issue[] {
  if (!segment) return []
  const text = fieldOf(segment, fields.directions)
    .map((value) => value._9 ?? value._2 ?? value._)
    .join('; ')
  const value = fieldOf(segment, fields.most).length > 0 ? undefined : fieldOf(segment, fields.dose)[0]?._1
  const [unit] = fieldOf(segment, fields.unit)
  const named = unit?._2 ?? unit?._1
  const timed = ownSegments(segment, 'TQ1') ?? ownSegments(ORC, 'TQ1') ?? []
  const code = timed.length === 1 ? fieldOf(timed[0], 3)[0]?._1?.toUpperCase() : undefined
  const hours = /^Q(\d{1,2})H$/.exec(code ?? '')?.[1]
  const timing = hours ? { frequency: 1, period: hours, periodUnit: 'h' } : patterns[code ?? '']
  const dose = value && named ? { value, unit: named } : undefined
  return contradictions({ text, structure: { dose, timing } }).map((problem) => ({
    code: 'business-rule',
    text: problem,
    expression: placeOf(source, segment, fields.directions),
  }))
}

function ownSegments(segment: SourceSegment | undefined, name: string): SourceSegment[] | undefined {
  const found = segment?.[name]
  return Array.isArray(found) && found.length > 0 ? (found as SourceSegment[]) : undefined
}

/** R22: there is no signer here that may sign for controlled substances (21 CFR 1311), so they are not taken. */
const noControlledSubstances: Rule = (source) => {
  const issues = source.orders.flatMap(({ RXE }): Issue[] => {
    const schedule = fieldOf(RXE, 35)[0]?._1
    if (!RXE || schedule === undefined || !/^(?:C-?)?(?:I{1,3}|IV|V|[1-5])$/i.test(schedule)) return []
    const text = 'Controlled substances are not taken'
    return [{ code: 'business-rule', text, expression: placeOf(source, RXE, 35) }]
  })
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}

export const prescriptionOrderRules: readonly Rule[] = [
  onlyNewOrders,
  hasWhatAnOrderNeeds,
  noControlledSubstances,
  directionsAgree,
]
