import type { Coding, FhirResource, Meta } from 'fhir/r4'
import type { Decision } from '#core/decision.ts'
import type { Resource } from '#core/resource.ts'

/** Says that elements were left out: https://hl7.org/fhir/R4/search.html#subsetted */
const subsetted: Coding = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  code: 'SUBSETTED',
}

/** What may travel inside of another resource to somebody with a narrowed view: the drug and the people, no content. */
const containable: Readonly<Record<string, readonly string[]>> = {
  Medication: ['code', 'status', 'manufacturer', 'form', 'amount', 'ingredient', 'batch'],
  Organization: ['identifier', 'active', 'type', 'name', 'telecom', 'address'],
  Practitioner: ['identifier', 'active', 'name', 'telecom', 'qualification'],
  PractitionerRole: ['identifier', 'active', 'practitioner', 'organization', 'code', 'specialty', 'telecom'],
}

/**
 * The resource reduced to the elements of the decision: an allow-list, so what is not known is not shown (extensions of
 * primitives and narrative too). Still valid FHIR, with a SUBSETTED tag; the same object when nothing is hidden.
 */
export function redact<R extends Resource>(decision: Decision, resource: R): R {
  const { fields } = decision
  if (!fields) return resource
  const seen: Record<string, unknown> = {}
  let isWhole = true
  for (const [name, value] of Object.entries(resource)) {
    const kept = fields.includes(name) ? narrowed(name, value) : undefined
    if (kept !== value) isWhole = false
    if (kept !== undefined) seen[name] = kept
  }
  if (isWhole) return resource
  if (Array.isArray(seen.contained)) seen.contained = stillReferredTo(seen)
  seen.meta = tagged(seen.meta as Meta | undefined)
  return seen as unknown as R
}

function narrowed(name: string, value: unknown): unknown {
  if (name === 'contained') return narrowedContained(value as FhirResource[])
  if (name === 'meta') return narrowedMeta(value as Meta)
  return value
}

/** Security labels tell what is in the hidden part (DS4P); the source is the sender's business. */
function narrowedMeta(meta: Meta): Meta {
  const { security, source, extension, ...rest } = meta
  return (security ?? source ?? extension) === undefined ? meta : rest
}

function narrowedContained(contained: FhirResource[]): FhirResource[] | undefined {
  const kept = contained.flatMap((resource) => {
    const fields = containable[resource.resourceType]
    if (!fields) return []
    const names = Object.keys(resource)
    const shown = names.filter((name) => name === 'resourceType' || name === 'id' || fields.includes(name))
    if (shown.length === names.length) return [resource]
    const record = resource as unknown as Record<string, unknown>
    return [Object.fromEntries(shown.map((name) => [name, record[name]])) as unknown as FhirResource]
  })
  if (kept.length === 0) return undefined
  const isWhole = kept.length === contained.length && kept.every((resource, at) => resource === contained[at])
  return isWhole ? contained : kept
}

/** What only a hidden element refers to has no place inside any more (dom-3). */
function stillReferredTo(seen: Record<string, unknown>): FhirResource[] | undefined {
  const contained = seen.contained as FhirResource[]
  const rest = JSON.stringify({ ...seen, contained: undefined })
  const kept = contained.filter(({ id = '' }) => rest.includes(`"reference":${JSON.stringify(`#${id}`)}`))
  return kept.length > 0 ? kept : undefined
}

function tagged(meta: Meta | undefined): Meta {
  const tags = meta?.tag ?? []
  if (tags.some((tag) => tag.system === subsetted.system && tag.code === subsetted.code)) return { ...meta }
  return { ...meta, tag: [...tags, subsetted] }
}
