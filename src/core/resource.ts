import type { FhirResource } from 'fhir/r4'

/**
 * A FHIR R4 resource as it moves through Postern. Decimals are `JSON.rawJSON` values, so that `1.50` stays `1.50`
 * (formats/json reads and writes them).
 */
export type Resource = FhirResource
export type ResourceType = Resource['resourceType']

/** A resource that has a place: type and id. */
export type Identified<R extends Resource = Resource> = R & { id: string }

/** `Type/id`, relative: the only form in which references are compared. */
export type Reference = `${string}/${string}`

export function referenceTo(resource: { resourceType: string; id?: string }): Reference {
  return `${resource.resourceType}/${resource.id ?? ''}`
}

/**
 * Sets id and meta of a version about to be stored (https://hl7.org/fhir/R4/resource.html#Meta); profile, tag and
 * security that were sent are kept.
 */
export function versioned<R extends Resource>(
  resource: R,
  id: string,
  version: number,
  at: number,
): Identified<R> {
  const meta = { ...resource.meta, versionId: String(version), lastUpdated: new Date(at).toISOString() }
  const { resourceType, id: _id, meta: _meta, ...rest } = resource
  return { resourceType, id, meta, ...rest } as unknown as Identified<R>
}

/** The version that a stored resource, or one about to be stored, says it is. */
export function versionOf(resource: Resource): number {
  return Number(resource.meta?.versionId ?? 0)
}

/** `Type/id/_history/version` */
export function versionReferenceTo(resource: Resource): string {
  return `${referenceTo(resource)}/_history/${versionOf(resource)}`
}
