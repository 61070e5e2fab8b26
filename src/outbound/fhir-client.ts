import { Client, RESPONSE_KEY } from 'fhir-kit-client'
import { Failure } from '#core/failure.ts'
import { stringifyJson } from '#formats/json.ts'
import { exchange } from './exchange.ts'

/**
 * fhir-kit-client over the guarded exchange: its interactions and URLs, our limits on redirects, time and size, which it
 * has no place for. An answer of any status comes back, its Response from `Client.httpFor`.
 * Throws Failure `unavailable` as `exchange` does, or with `answer-unreadable`.
 */
export function fhirClient(base: string, headers: Record<string, string>, signal: AbortSignal): Client {
  const client = new Client({ baseUrl: base })
  client.httpClient.request = async (method, path, options, body) => {
    const { response, text } = await exchange(client.httpClient.expandUrl(path), {
      method,
      headers: { accept: 'application/fhir+json', ...options?.headers, ...headers },
      ...(body === undefined ? {} : { body: stringifyJson(body) }),
      signal,
    })
    const resource = response.ok ? readResource(text) : { resourceType: 'OperationOutcome' }
    return Object.defineProperty(resource, RESPONSE_KEY, { value: response })
  }
  return client
}

function readResource(text: string): { resourceType: string } {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return { resourceType: '', ...value }
  } catch {
    // The cause would quote the answer, which may be about a patient.
  }
  throw new Failure('unavailable', 'answer-unreadable')
}
