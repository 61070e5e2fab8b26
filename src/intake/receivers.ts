import type { MedicationRequest } from 'fhir/r4'
import type { Destination } from '#core/destination.ts'
import type { Receiver } from '#core/flow.ts'
import type { Identified } from '#core/resource.ts'

/**
 * Which destinations get which of the resources that a flow made; destinations that get none are not in it. An EHR gets
 * all of the receiver's types. A pharmacy gets the active orders that name its organization as their performer, and
 * nothing else: who else a patient buys from, and what was said, is not its business.
 */
export function receiversOf(
  destinations: readonly Destination[],
  receivers: readonly Receiver[],
  resources: readonly Identified[],
): { destination: Destination; resources: Identified[] }[] {
  return destinations
    .filter((destination) => destination.active)
    .map((destination) => ({
      destination,
      resources: resources.filter((resource) =>
        receivers.some(
          (receiver) =>
            receiver.role === destination.role &&
            receiver.types.includes(resource.resourceType) &&
            concerns[receiver.role](resource, destination),
        ),
      ),
    }))
    .filter((each) => each.resources.length > 0)
}

const concerns: Record<Receiver['role'], (resource: Identified, destination: Destination) => boolean> = {
  ehr: () => true,
  pharmacy: (resource, destination) =>
    resource.resourceType === 'MedicationRequest' && isOrderFor(resource, destination),
}

function isOrderFor(order: MedicationRequest, { organization }: Destination): boolean {
  return order.status === 'active' && order.dispenseRequest?.performer?.reference === organization
}
