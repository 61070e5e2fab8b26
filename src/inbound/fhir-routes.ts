import type { Fhir } from '#fhir/fhir.ts'
import type { Route } from './http.ts'

/** The FHIR base: metadata for everybody, all else with a token. What stands behind it is fhir/routes. */
export function fhirRoutes(fhir: Fhir): Route[] {
  return [
    {
      policy: 'public',
      method: 'GET',
      path: '/fhir/metadata',
      described: { summary: 'CapabilityStatement', gives: ['application/fhir+json'] },
      answer: async () => ({
        status: 200,
        headers: { 'content-type': 'application/fhir+json; charset=utf-8' },
        body: JSON.stringify(fhir.metadata()),
      }),
    },
    {
      policy: 'token',
      method: 'ALL',
      path: '/fhir/*',
      described: { summary: 'FHIR R4 (fhir/openapi)' },
      answer: (request) => fhir.handle({ ...request, path: request.path.replace(/^fhir\/?/, '') }),
    },
  ]
}
