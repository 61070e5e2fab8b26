import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow } from '#core/flow.ts'
import type { Hl7v2Source } from './hl7v2-source.ts'
import { type OrderSource, prescriptionOrder } from './prescription-order.ts'

/**
 * OMP^O09, pharmacy/treatment order, and ORM^O01 with RXO: the same orders as RDE^O11 carries, before a pharmacy has
 * encoded them. One mapping serves both.
 */
export const medicationOrder: Flow<OrderSource> = {
  ...prescriptionOrder,
  name: 'medication-order',
  title: 'Medication order (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['OMP^O09', 'ORM^O01'] },
  rules: [onlyMedications, ...prescriptionOrder.rules],
}

/** ORM^O01 orders anything: tests, diets, supplies. */
function onlyMedications({ orders }: Hl7v2Source): ReturnType<CareRule<Hl7v2Source>> {
  const issues = orders.flatMap(({ RXO, RXE }, index): Issue[] =>
    RXO || RXE
      ? []
      : [{ text: 'Only medication orders (RXO) are taken in', expression: `ORC[${index + 1}]` }],
  )
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}
