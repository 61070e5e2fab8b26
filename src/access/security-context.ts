import { patientOf } from '#core/compartment.ts'
import type { Store } from '#core/ports.ts'
import type { Identified, Reference, Resource } from '#core/resource.ts'

/**
 * The resource that a Binary is a part of, `Type/id`: who may not see the one does not see the other
 * (https://hl7.org/fhir/R4/binary-definitions.html#Binary.securityContext). None where that is the patient: then the
 * Binary is decided as the patient's by itself.
 */
export function wholeOf(resource: Resource): Reference | undefined {
  if (resource.resourceType !== 'Binary') return undefined
  const { reference = '' } = resource.securityContext ?? {}
  const isOther = /^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/.test(reference) && !reference.startsWith('Patient/')
  return isOther ? (reference as Reference) : undefined
}

/** It, as long as it is there and about the same patient as its part. */
export async function readWhole(
  store: Pick<Store, 'read'>,
  whole: Reference,
  part: Resource,
): Promise<Identified | undefined> {
  const [type = '', id = ''] = whole.split('/')
  const stored = await store.read(type, id)
  if (!stored || stored.deleted) return undefined
  const resource = JSON.parse(stored.json) as Identified
  return patientOf(resource) === patientOf(part) ? resource : undefined
}
