import { type NewDelivery, unmappedCode } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import type { Destination } from '#core/destination.ts'
import { type Identified, versionOf } from '#core/resource.ts'

export interface DeliveryOf {
  id: string
  destination: Destination
  resources: readonly Identified[]
  /** Milliseconds since the epoch. */
  due: number
  /** A code is in no table yet: it waits until somebody answers (I14). */
  held: boolean
}

/** What goes to one destination, by the versions that are written with it. */
export function newDelivery({ id, destination, resources, due, held }: DeliveryOf): NewDelivery {
  const patient = resources.map(patientOf).find((each) => each !== undefined)
  return {
    id,
    destination: destination.id,
    resources: resources.map((resource) => ({
      type: resource.resourceType,
      id: resource.id,
      version: versionOf(resource),
    })),
    ...(patient ? { patient } : {}),
    due,
    ...(held ? { held: unmappedCode } : {}),
  }
}
