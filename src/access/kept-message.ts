import type { Resource } from '#core/resource.ts'

/** Marks a message that intake keeps as it came: it holds its sender's rights and more than its patient's data. */
export const keptMessageTag = { system: 'https://postern.health/fhir/CodeSystem/work', code: 'kept-message' }

/** Such a Binary is the gateway's own: whoever may see the patient's files does not see it. */
export function isKeptMessage(resource: Resource): boolean {
  if (resource.resourceType !== 'Binary') return false
  const { system, code } = keptMessageTag
  return (resource.meta?.tag ?? []).some((tag) => tag.system === system && tag.code === code)
}
