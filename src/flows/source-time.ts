import type { Extension, Task } from 'fhir/r4'
import type { Resource } from '#core/resource.ts'

/** When the system that keeps it recorded what stands here: EVN-2, else MSH-7 (HL7 v2.9 §3.3.1, §2.13.9.7). */
export const sourceTime = 'https://postern.health/fhir/StructureDefinition/source-time'

interface Told {
  extension?: Extension[]
}

/** Milliseconds since the epoch; NaN where nobody says. */
export function sourceTimeOf({ extension }: Told): number {
  return Date.parse(extension?.find(({ url }) => url === sourceTime)?.valueDateTime ?? '')
}

/**
 * Whether a message that comes now was written before what stands. False where either does not say when: then the order of
 * arrival is all there is. A Task has an element of its own for it.
 */
export function isOlder(incoming: Resource, standing: Resource): boolean {
  return timeOf(incoming) < timeOf(standing)
}

function timeOf(resource: Resource): number {
  if (resource.resourceType === 'Task') return Date.parse((resource as Task).lastModified ?? '')
  return sourceTimeOf(resource as Told)
}

/** What is told takes the place of what was told by the same name; the rest stays. */
export function extensionsOf(standing: Told, incoming: Told): Told {
  const told = incoming.extension ?? []
  const kept = (standing.extension ?? []).filter(({ url }) => !told.some((each) => each.url === url))
  return kept.length + told.length > 0 ? { extension: [...kept, ...told] } : {}
}
