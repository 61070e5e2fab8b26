import { type Failure, failures } from '#core/failure.ts'
import type { DoorResponse } from '#core/http.ts'
import { operationOutcome, outcomeOf } from '#core/outcome.ts'
import type { Stored } from '#core/ports.ts'
import { signInAnew } from '#core/step-up.ts'
import { parseJson } from '#formats/json.ts'
import { contentResponse } from './binary/content.ts'
import type { Call } from './call.ts'
import { fhirJson } from './negotiate.ts'
import type { Shown } from './show.ts'

/** Nothing about patients may stay in a cache on the way; the client itself may ask again with If-None-Match. */
const always = { 'Content-Type': `${fhirJson}; charset=utf-8`, 'Cache-Control': 'no-store' }

export function ok(body: string, headers: Record<string, string> = {}): DoorResponse {
  return { status: 200, headers: { ...always, ...headers }, body }
}

/** A version as the answer to a read: https://hl7.org/fhir/R4/http.html#versioning. Of a Binary, the file where it is wanted. */
export function shownResponse({ request }: Call, { stored, resource, text }: Shown): DoorResponse {
  const content = resource.resourceType === 'Binary' ? contentResponse(request, resource) : undefined
  if (content) return { ...content, headers: { ...content.headers, ...versionHeaders(stored) } }
  return versionResponse(stored, text)
}

/** The resource itself, whatever the client would rather have. */
export function versionResponse(stored: Stored, body: string): DoorResponse {
  return ok(body, versionHeaders(stored))
}

/** The answer to a write, as long as the client prefers: https://hl7.org/fhir/R4/http.html#create */
export function writeResponse(call: Call, status: number, stored: Stored, body: string): DoorResponse {
  const headers = { ...versionHeaders(stored), Location: versionUrl(call, stored) }
  if (call.prefer.return === 'minimal')
    return { status, headers: { ...headers, 'Cache-Control': 'no-store' }, body: '' }
  const told = { severity: 'information', text: `Stored as version ${stored.version}.` } as const
  const text =
    call.prefer.return === 'representation' ? body : JSON.stringify(outcomeOf([told], 'informational'))
  return { status, headers: { ...always, ...headers }, body: text }
}

export function failureResponse(failure: Failure): DoorResponse {
  const isLater = failure.kind === 'unavailable' || failure.kind === 'too-many'
  const later: Record<string, string> = isLater
    ? { 'Retry-After': String(failure.retryAfterSeconds ?? 1) }
    : {}
  const stepUp: Record<string, string> =
    failure.kind === 'unauthenticated' ? { 'WWW-Authenticate': signInAnew } : {}
  return {
    status: failures[failure.kind].http,
    headers: { ...always, ...later, ...stepUp },
    body: JSON.stringify(operationOutcome(failure)),
  }
}

export function notModified(stored: Stored): DoorResponse {
  return { status: 304, headers: { ...versionHeaders(stored), 'Cache-Control': 'no-store' }, body: '' }
}

/** The same answer, indented for people. */
export function indented(response: DoorResponse): DoorResponse {
  return response.body ? { ...response, body: JSON.stringify(parseJson(response.body), null, 2) } : response
}

function versionHeaders(stored: Stored): Record<string, string> {
  return { ETag: `W/"${stored.version}"`, 'Last-Modified': new Date(stored.updated).toUTCString() }
}

function versionUrl(call: Call, stored: Stored): string {
  return `${call.ports.base}/${stored.type}/${stored.id}/_history/${stored.version}`
}
