import { Failure } from '#core/failure.ts'
import type { DoorRequest } from '#core/http.ts'

/** What the client would like: https://hl7.org/fhir/R4/http.html#ops and #prefer */
export interface Preferences {
  return: 'minimal' | 'representation' | 'OperationOutcome'
  /** `lenient` passes over search parameters that are not known; `strict` (the default here) refuses them. */
  handling: 'strict' | 'lenient'
  pretty: boolean
}

export const fhirJson = 'application/fhir+json'
export const jsonPatch = 'application/json-patch+json'
const jsonTypes = [fhirJson, 'application/json', 'text/json']
const acceptable = ['*/*', 'application/*', ...jsonTypes]

/**
 * Throws Failure `not-acceptable` when the client wants something that is not JSON; `_format` goes before Accept. Where a
 * file may be the answer, Accept is looked at when it is known of what type that is.
 */
export function readPreferences(request: DoorRequest, mayBeFile = false): Preferences {
  const accept = mayBeFile ? undefined : request.header('accept')
  requireJsonWanted(request.query.get('_format') ?? undefined, accept)
  const prefer = request.header('prefer') ?? ''
  const wanted = /(?:^|[\s,;])return\s*=\s*"?(minimal|representation|OperationOutcome)\b/.exec(prefer)?.[1]
  return {
    return: (wanted as Preferences['return'] | undefined) ?? 'representation',
    handling: /(?:^|[\s,;])handling\s*=\s*"?lenient\b/.test(prefer) ? 'lenient' : 'strict',
    pretty: request.query.get('_pretty') === 'true',
  }
}

/** Throws Failure `unsupported-media` for a body that does not say it is JSON. */
export function requireJsonBody(request: DoorRequest): void {
  const type = mediaType(request.header('content-type') ?? '')
  if (!jsonTypes.includes(type)) {
    throw new Failure(
      'unsupported-media',
      `Send the resource as ${fhirJson}; XML and other forms are not read.`,
    )
  }
}

export function requireFormBody(request: DoorRequest): void {
  if (mediaType(request.header('content-type') ?? '') !== 'application/x-www-form-urlencoded') {
    throw new Failure('unsupported-media', 'Send the search parameters as application/x-www-form-urlencoded.')
  }
}

function requireJsonWanted(format: string | undefined, accept: string | undefined): void {
  if (format !== undefined) {
    // A plus sign in a query that was not escaped arrives as a space.
    const type = mediaType(format.replace(' ', '+'))
    if (type !== 'json' && !jsonTypes.includes(type)) throw notAcceptable()
    return
  }
  if (!accept) return
  const ranges = accept.split(',').filter((range) => !/;\s*q=0(?:\.0*)?\s*$/.test(range))
  if (!ranges.some((range) => acceptable.includes(mediaType(range)))) throw notAcceptable()
}

/** Made when it is thrown: an Error takes its stack with it, which is a twentieth of what a read costs. */
function notAcceptable(): Failure {
  return new Failure('not-acceptable', `Only JSON is served; ask for ${fhirJson}.`)
}

export function isJsonType(type: string): boolean {
  return jsonTypes.includes(type)
}

export function mediaType(text: string): string {
  return (text.split(';')[0] ?? '').trim().toLowerCase()
}
