import { Failure } from '#core/failure.ts'
import type { Identified, Resource } from '#core/resource.ts'
import { isDecimal, parseJson } from '#formats/json.ts'
import { isContent, readContent } from './binary/content.ts'
import type { Call } from './call.ts'
import { requireJsonBody } from './negotiate.ts'

/** The resource in the body: JSON of the type that the path names, its references to our own base made relative. */
export function readIncoming(call: Call): Resource {
  if (isContent(call)) return readContent(call)
  requireJsonBody(call.request)
  const value = parseJson(call.request.body)
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !('resourceType' in value)) {
    throw new Failure(
      'malformed',
      'The body is not a FHIR resource: an object with resourceType is expected.',
    )
  }
  if (value.resourceType !== call.type) {
    throw new Failure('malformed', [
      { text: `resourceType is not ${call.type}, which the URL names.`, expression: 'resourceType' },
    ])
  }
  return withRelativeReferences(value as Resource, call)
}

/** Throws Failure `invalid` with every error found; warnings do not stop a write. */
export function requireValid(call: Call, resource: Identified): void {
  const errors = call.ports.validator
    .check(resource)
    .filter((issue) => (issue.severity ?? 'error') === 'error')
  if (errors.length > 0) throw new Failure('invalid', [...errors])
}

/** References are compared in one form only, `Type/id`; what is ours stays ours when the base changes. */
export function withRelativeReferences(resource: Resource, { ports }: Pick<Call, 'ports'>): Resource {
  return relative(resource, `${ports.base}/`) as Resource
}

/** Parts without a reference to our base are shared with the original. */
function relative(value: unknown, prefix: string): unknown {
  if (value === null || typeof value !== 'object' || isDecimal(value)) return value
  if (Array.isArray(value)) {
    const items = value.map((item) => relative(item, prefix))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  const changed = Object.entries(value).flatMap(([key, item]) => {
    const own = key === 'reference' && typeof item === 'string' && item.startsWith(prefix)
    const next = own ? item.slice(prefix.length) : relative(item, prefix)
    return next === item ? [] : [[key, next] as const]
  })
  return changed.length > 0 ? { ...value, ...Object.fromEntries(changed) } : value
}
