import { Failure } from '#core/failure.ts'
import type { Resource } from '#core/resource.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { findOnly } from '#fhir/find-only.ts'
import { withHidden } from '#fhir/hidden.ts'
import { requireVersionMatch } from '#fhir/if-match.ts'
import { withRelativeReferences } from '#fhir/incoming.ts'
import { isJsonType, jsonPatch, mediaType } from '#fhir/negotiate.ts'
import { absent, requireDeletedVisible, requireVisible } from '#fhir/show.ts'
import { prepareWrite } from '#fhir/write.ts'
import { parseJson } from '#formats/json.ts'
import { applyFhirpathPatch } from './fhirpath-patch.ts'
import { applyJsonPatch } from './json-patch.ts'

/**
 * https://hl7.org/fhir/R4/http.html#patch: JSON Patch, or FHIRPath Patch as Parameters. It works on what the caller sees,
 * and what is hidden stays as it is. If-Match is not required, since a patch says what it changes.
 */
export async function patch(call: Call): Promise<Answer> {
  const stored = await call.ports.store.read(call.type, call.id)
  if (!stored) throw absent()
  if (stored.deleted) {
    await requireDeletedVisible(call, stored)
    throw new Failure('gone', 'This resource was deleted.')
  }
  const shown = await requireVisible(call, stored)
  requireVersionMatch(call, stored, 'optional')
  const next = patched(call, parseJson(shown.text))
  if (next.resourceType !== call.type || next.id !== call.id) {
    throw new Failure('invalid', 'A patch changes neither resourceType nor id.')
  }
  const whole = withHidden(call, shown, withRelativeReferences(next, call))
  const answer = await prepareWrite(call, whole, {
    id: call.id,
    version: stored.version + 1,
    previous: shown.resource,
  })
  // Without If-Match another writer may come first; the patch then applies to what that one left.
  return call.request.header('if-match') === undefined ? { ...answer, retry: () => patch(call) } : answer
}

/** The same on the one resource that the query finds. */
export async function conditionalPatch(call: Call): Promise<Answer> {
  const found = await findOnly(call, call.request.query, 'A conditional patch')
  if (!found) throw absent()
  return patch({ ...call, id: found.stored.id })
}

function patched(call: Call, seen: unknown): Resource {
  const type = mediaType(call.request.header('content-type') ?? '')
  if (type === jsonPatch) return asResource(applyJsonPatch(seen, parseJson(call.request.body)))
  const body = isJsonType(type) ? parseJson(call.request.body) : undefined
  if ((body as { resourceType?: unknown } | undefined)?.resourceType !== 'Parameters') {
    throw new Failure('unsupported-media', `Send a patch as ${jsonPatch}, or as a FHIR Parameters resource.`)
  }
  return asResource(applyFhirpathPatch(seen, body))
}

function asResource(value: unknown): Resource {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Failure('invalid', 'What is left after the patch is no resource.')
  }
  return value as Resource
}
