import type { MedicationRequest } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import type { Identified } from '#core/resource.ts'
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
