import type { MedicationAdministration, MedicationRequest, Provenance } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import type { CarePorts } from './change.ts'

/**
 * Whether a caller may speak of an order: who may read it, and who handed it in, which need be no party of the patient:
 * what it placed it can take back. A platform reads nothing back; with its grant it is trusted with the orders it names.
 */
export async function mayKnowOrder(
  { access, store }: Pick<CarePorts, 'access'> & { store: Pick<CarePorts['store'], 'search'> },
  stored: Identified<MedicationRequest>,
  caller: Caller,
): Promise<boolean> {
  if (caller.role === 'platform') return caller.grants.includes('order-source')
  const decision = await access.decide({ caller, interaction: 'read', type: 'MedicationRequest', stored })
  return decision.permit || handedIn(store, stored, caller)
}

/** Of one version of an order there are fewer records of origin than this. */
const maxOrigins = 20

/** By the Provenance of its first version, which only intake writes. */
async function handedIn(
  store: Pick<CarePorts['store'], 'search'>,
  order: Identified<MedicationRequest>,
  { clientId, actors }: Caller,
): Promise<boolean> {
  const values = [referenceTo(order)]
  const criteria = [{ kind: 'token' as const, param: 'target', values }]
  const found = await store.search({ type: 'Provenance', criteria, limit: maxOrigins })
  return found.some(({ stored }) => {
    const { target, agent } = JSON.parse(stored.json) as Provenance
    const isFirst = target.some(({ reference }) => reference === `${referenceTo(order)}/_history/1`)
    const isSender = agent.some(
      ({ who }) =>
        (who.identifier?.system === clientSystem && who.identifier.value === clientId) ||
        actors.some((actor) => actor.startsWith('Organization/') && actor === who.reference),
    )
    return isFirst && isSender
  })
}

const clientSystem = 'https://postern.health/fhir/sid/client'

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
