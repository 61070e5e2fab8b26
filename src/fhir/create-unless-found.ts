import type { Resource } from '#core/resource.ts'
import type { Answer, Call } from './call.ts'
import { findOnly } from './find-only.ts'
import { writeResponse } from './respond.ts'
import { findVisible } from './show.ts'
import { traceDecision, traceResource } from './trail.ts'
import { type Place, prepareWrite } from './write.ts'

/** How often another request may win, or a place be taken by what the condition does not find. */
const maxTries = 8

/**
 * https://hl7.org/fhir/R4/http.html#ccreate: nothing is made when the condition finds a resource that the caller may
 * see. The id is derived from the condition, so requests that run side by side write the same version of the same
 * resource: one wins by the version's unique key, the others look again and find it.
 */
export async function createUnlessFound(
  call: Call,
  incoming: Resource,
  condition: string,
  tries = 1,
): Promise<Answer> {
  const query = new URLSearchParams(condition.replace(/^[^=]*\?/, ''))
  const found = await findOnly(call, query, 'If-None-Exist')
  if (found) {
    traceDecision(call.trail, found.decision)
    traceResource(call.trail, found.resource)
    return { response: writeResponse(call, 200, found.stored, found.text) }
  }
  query.sort()
  const answer = await prepareWrite(call, incoming, await freePlace(call, query.toString()))
  const retry = () => createUnlessFound(call, incoming, condition, tries + 1)
  return tries < maxTries ? { ...answer, retry } : answer
}

/**
 * The first derived id that is free. One may be taken by a resource that no longer meets the condition, or that the
 * caller may not see; both are passed over alike.
 */
export async function freePlace(call: Call, condition: string): Promise<Place> {
  const { store, deriveId, ids } = call.ports
  for (let attempt = 1; attempt <= maxTries; attempt++) {
    const id = deriveId('if-none-exist', call.type, condition, String(attempt))
    const stored = await store.read(call.type, id)
    if (!stored) return { id, version: 1 }
    if (!stored.deleted) continue
    const before = await store.readVersion(call.type, id, stored.version - 1)
    if (before && !before.deleted && (await findVisible(call, before, 'read'))) {
      return { id, version: stored.version + 1 }
    }
  }
  return { id: ids.random(), version: 1 }
}
