import { versioned } from '#core/resource.ts'
import type { Answer, Call } from './call.ts'
import { requireVersionMatch } from './if-match.ts'
import { absent, requireDeletedVisible, requireVisible } from './show.ts'
import { traceResource } from './trail.ts'

/** https://hl7.org/fhir/R4/http.html#delete: a version without body; what is deleted already stays so. */
export async function deleteResource(call: Call): Promise<Answer> {
  const { store, clock } = call.ports
  const stored = await store.read(call.type, call.id)
  if (!stored) throw absent()
  if (stored.deleted) {
    await requireDeletedVisible(call, stored)
    return { response: deleted(stored.version) }
  }
  const { resource } = await requireVisible(call, stored)
  requireVersionMatch(call, stored, 'optional')
  const version = stored.version + 1
  const updated = clock.now()
  traceResource(call.trail, resource, version)
  const marker = versioned(resource, call.id, version, updated)
  return {
    response: deleted(version),
    writes: [{ resource: marker, version, updated, deleted: true, previous: resource }],
  }
}

function deleted(version: number): Answer['response'] {
  return { status: 204, headers: { ETag: `W/"${version}"`, 'Cache-Control': 'no-store' }, body: '' }
}
