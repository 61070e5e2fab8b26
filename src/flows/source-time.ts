import type { Extension, Task } from 'fhir/r4'
import type { Resource } from '#core/resource.ts'
import { sourceTimeUrl } from '#formats/hl7v2/said.ts'

interface Told {
  extension?: Extension[]
}

/** When its own system recorded what stands here (EVN-2, else MSH-7): milliseconds since the epoch; NaN for nobody says. */
export function sourceTimeOf({ extension }: Told): number {
  return Date.parse(extension?.find(({ url }) => url === sourceTimeUrl)?.valueDateTime ?? '')
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
