import type { Medication, MedicationRequest } from 'fhir/r4'
import type { Identified, Reference } from '#core/resource.ts'
import type { CarePorts } from './change.ts'
import { namesOf } from './controlled-substances.ts'
import { all } from './order-file.ts'

type Order = Identified<MedicationRequest>

/** What never was in force, or should not have been, is not repeated. */
const never = ['draft', 'cancelled', 'entered-in-error']

/**
 * Whether an order is issued again rather than for the first time: it says so (priorPrescription, basedOn another order,
 * instance-order), or the patient had the same medication ordered here before. To leave out what an order says must not
 * be the way round the gate.
 */
export async function isRepeat(
  ports: Pick<CarePorts, 'parse'> & { store: Pick<CarePorts['store'], 'search'> },
  order: Order,
  records: readonly Reference[],
): Promise<boolean> {
  const isBased = (order.basedOn ?? []).some(({ reference }) => reference?.startsWith('MedicationRequest/'))
  if (order.priorPrescription || isBased || order.intent === 'instance-order') return true
  const others = await all<Order>(ports, 'MedicationRequest', {
    kind: 'token',
    param: 'patient',
    values: [...records],
  })
  return others.some(
    (other) => other.id !== order.id && !never.includes(other.status) && isSameMedication(order, other),
  )
}

function isSameMedication(one: Order, other: Order): boolean {
  const known = new Set(wordsOf(one))
  return wordsOf(other).some((word) => known.has(word))
}

/** Codes and names of what is prescribed. */
function wordsOf(order: Order): string[] {
  const inside = (order.contained ?? []).flatMap((each) =>
    each.resourceType === 'Medication' ? ((each as Medication).code?.coding ?? []) : [],
  )
  const codes = [...(order.medicationCodeableConcept?.coding ?? []), ...inside]
    .filter(({ system, code }) => system && code)
    .map(({ system, code }) => `${system}|${code}`)
  return [...codes, ...namesOf(order).map((name) => name.trim().toLowerCase())]
}
