import { contradictions } from '#care/dosage-text.ts'
import { orderControlOf } from '#care/order-control.ts'
import type { DosageTiming } from '#care/prescribed-item.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule } from '#core/flow.ts'
import type { SourceOrder, SourceSegment } from '#formats/hl7v2/source.ts'
import { fieldOf, type Hl7v2Source } from './hl7v2-source.ts'

type Rule = CareRule<Hl7v2Source>

/** What is asked about an order that is there is not taken for a new one: it has messages of its own. */
const onlyNewOrders: Rule = ({ orders }) => {
  const issues = orders.flatMap(({ ORC }, index): Issue[] => {
    const { says, because } = orderControlOf(fieldOf(ORC, 1)[0]?._1)
    const text = because ?? 'Send new orders (ORC-1 = NW) and what concerns others in messages of their own'
    return says === 'order' ? [] : [{ text, expression: `ORC[${index + 1}]-1` }]
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

const hasPatientAndOrders: Rule = ({ PID, orders }) => {
  const issues: Issue[] = []
  if (!fieldOf(PID, 3).some((value) => value._1))
    issues.push(required('PID-3', 'A patient identifier is required'))
  if (orders.length === 0) issues.push(required('ORC', 'An order is required'))
  for (const [index, { RXO, RXE }] of orders.entries()) {
    if (!RXO && !RXE) issues.push(required(`RXE[${index + 1}]`, 'RXE is required'))
    if (RXE && fieldOf(RXE, 2).length === 0)
      issues.push(required(`RXE[${index + 1}]-2`, 'A give code is required'))
    if (RXO && fieldOf(RXO, 1).length === 0)
      issues.push(required(`RXO[${index + 1}]-1`, 'A give code is required'))
  }
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}

/** NM fields that are doses, amounts and rates; text in them has been taken for a number before. */
const numbers: Record<'RXO' | 'RXE', readonly number[]> = {
  RXO: [2, 3, 11, 18, 21, 25],
  RXE: [3, 4, 10, 23, 25, 33, 39],
}

const numbersAreNumbers: Rule = ({ orders }) => {
  const issues = orders.flatMap((order, index) =>
    (['RXO', 'RXE'] as const).flatMap((name) =>
      numberIssues(order[name], `${name}[${index + 1}]`, numbers[name]),
    ),
  )
  issues.push(
    ...orders.flatMap((order, index) => [...refillIssues(order, index), ...repeatIssues(order, index)]),
  )
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}

function numberIssues(segment: SourceSegment | undefined, place: string, fields: readonly number[]): Issue[] {
  return fields.flatMap((field) => {
    const [value] = fieldOf(segment, field)
    const isNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(value?._ ?? '')
    if (!value || (isNumber && !value._?.startsWith('-'))) return []
    const text = isNumber ? 'must not be negative' : 'must be a number without unit'
    return [{ code: 'value', text, expression: `${place}-${field}` }]
  })
}

/** What is given, how much and how often: of two, one would be left out in silence. */
const told: Record<'RXO' | 'RXE', readonly number[]> = {
  RXO: [1, 2, 3, 4, 11, 12, 13],
  RXE: [2, 3, 4, 5, 10, 11, 12],
}

function repeatIssues(order: SourceOrder, index: number): Issue[] {
  return (['RXO', 'RXE'] as const).flatMap((name) =>
    told[name]
      .filter((field) => fieldOf(order[name], field).length > 1)
      .map((field) => ({
        code: 'value',
        text: 'must not repeat: send an order for each',
        expression: `${name}[${index + 1}]-${field}`,
      })),
  )
}

/** RXO-13 and RXE-12 do not count the first fill: 0 to 98 (R5). */
function refillIssues({ RXO, RXE }: SourceOrder, index: number): Issue[] {
  const places = [
    [fieldOf(RXO, 13)[0]?._, `RXO[${index + 1}]-13`],
    [fieldOf(RXE, 12)[0]?._, `RXE[${index + 1}]-12`],
  ] as const
  return places.flatMap(([value, expression]) =>
    value === undefined || (/^\d{1,2}$/.test(value) && Number(value) <= 98)
      ? []
      : [{ code: 'value', text: 'must be a whole number from 0 to 98', expression }],
  )
}

/** Table 0335 as doses a day, as far as directions in words can be held against it. */
const patterns: Record<string, DosageTiming> = {
  QD: { frequency: 1, period: '1', periodUnit: 'd' },
  BID: { frequency: 2, period: '1', periodUnit: 'd' },
  TID: { frequency: 3, period: '1', periodUnit: 'd' },
  QID: { frequency: 4, period: '1', periodUnit: 'd' },
}

/** R6: directions that contradict dose or timing refuse an order that would be in force; a draft they only mark. */
const directionsAgree: Rule = ({ orders }, caller) => {
  const issues = orders.flatMap((order, index) => [
    ...directionIssues(order.RXO, { directions: 7, dose: 2, most: 3, unit: 4 }, order, index),
    ...directionIssues(order.RXE, { directions: 7, dose: 3, most: 4, unit: 5 }, order, index),
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
  segment: SourceSegment | undefined,
  fields: DosageFields,
  { ORC }: SourceOrder,
  index: number,
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
  const expression = `${segment._}[${index + 1}]-${fields.directions}`
  return contradictions({ text, structure: { dose, timing } }).map((problem) => ({
    code: 'business-rule',
    text: problem,
    expression,
  }))
}

function ownSegments(segment: SourceSegment | undefined, name: string): SourceSegment[] | undefined {
  const found = segment?.[name]
  return Array.isArray(found) && found.length > 0 ? (found as SourceSegment[]) : undefined
}

/** R22: there is no signer here that may sign for controlled substances (21 CFR 1311), so they are not taken. */
const noControlledSubstances: Rule = ({ orders }) => {
  const issues = orders.flatMap(({ RXE }, index): Issue[] => {
    const schedule = fieldOf(RXE, 35)[0]?._1
    if (schedule === undefined || !/^(?:C-?)?(?:I{1,3}|IV|V|[1-5])$/i.test(schedule)) return []
    const text = 'Controlled substances are not taken'
    return [{ code: 'business-rule', text, expression: `RXE[${index + 1}]-35` }]
  })
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}

export const prescriptionOrderRules: readonly Rule[] = [
  onlyNewOrders,
  hasPatientAndOrders,
  numbersAreNumbers,
  noControlledSubstances,
  directionsAgree,
]

function required(expression: string, text: string): Issue {
  return { code: 'required', text, expression }
}
