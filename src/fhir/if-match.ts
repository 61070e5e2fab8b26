import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import type { Call } from './call.ts'

/** https://hl7.org/fhir/R4/http.html#concurrency. Throws `precondition-required`, `precondition-failed` or `malformed`. */
export function requireVersionMatch(call: Call, stored: Stored, need: 'required' | 'optional'): void {
  const tag = call.request.header('if-match')
  if (tag === undefined) {
    if (need === 'optional') return
    throw new Failure('precondition-required', 'Send If-Match with the ETag of the version that you changed.')
  }
  const version = /^(?:W\/)?"([^"]*)"$/.exec(tag.trim())?.[1]
  if (version === undefined) throw new Failure('malformed', 'If-Match is not an ETag; send it as W/"1".')
  if (version !== String(stored.version)) {
    throw new Failure('precondition-failed', 'The resource has changed since that version; read it again.')
  }
}
