import type { MedicationAdministration, MedicationRequest } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import type { CarePorts } from './change.ts'

/** Whether a caller may speak of an order. A platform reads nothing back; with its grant it is trusted with the orders it names. */
export async function mayKnowOrder(
  { access }: Pick<CarePorts, 'access'>,
  stored: Identified<MedicationRequest>,
  caller: Caller,
): Promise<boolean> {
  if (caller.role === 'platform') return caller.grants.includes('order-source')
  const decision = await access.decide({ caller, interaction: 'read', type: 'MedicationRequest', stored })
  return decision.permit
}

/**
 * Whether a caller may tell what became of an order: a party of it. No consent is asked, as a fact that happened is not
 * lost, and who tells it learns nothing.
 */
export async function mayTellOfOrder(
  { access }: Pick<CarePorts, 'access'>,
  order: Identified<MedicationRequest>,
  caller: Caller,
): Promise<boolean> {
  if (caller.role === 'platform') return caller.grants.includes('order-source')
  const incoming: MedicationAdministration = {
    resourceType: 'MedicationAdministration',
    status: 'unknown',
    subject: order.subject,
    request: { reference: referenceTo(order) },
  }
  const type = incoming.resourceType
  const decision = await access.decide({ caller, interaction: 'create', type, incoming })
  return decision.permit
}
