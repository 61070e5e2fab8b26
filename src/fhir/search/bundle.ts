import type { OperationOutcome } from 'fhir/r4'
import type { Stored } from '#core/ports.ts'

export interface BundleLink {
  relation: 'self' | 'next'
  url: string
}

export interface BundleText {
  id: string
  type: 'searchset' | 'history' | 'batch-response' | 'transaction-response'
  /** Milliseconds since the epoch. */
  at: number
  total?: number
  links: readonly BundleLink[]
  /** Each a JSON text. */
  entries: readonly string[]
}

/**
 * A Bundle as text, around resources that already are text: nothing stored is read and written again to be served.
 * https://hl7.org/fhir/R4/bundle.html
 */
export function bundleText({ id, type, at, total, links, entries }: BundleText): string {
  const head = {
    resourceType: 'Bundle',
    id,
    meta: { lastUpdated: new Date(at).toISOString() },
    type,
    ...(total === undefined ? {} : { total }),
    ...(links.length > 0 ? { link: links } : {}),
  }
  const text = JSON.stringify(head)
  return entries.length > 0 ? `${text.slice(0, -1)},"entry":[${entries.join(',')}]}` : text
}

export function searchEntry(
  base: string,
  stored: Stored,
  resource: string,
  mode: 'match' | 'include',
): string {
  return `{"fullUrl":${urlOf(base, stored)},"resource":${resource},"search":{"mode":"${mode}"}}`
}

/** What is to be said about a search beside what it found: https://hl7.org/fhir/R4/search.html#entries */
export function outcomeEntry(outcome: OperationOutcome): string {
  return JSON.stringify({ resource: outcome, search: { mode: 'outcome' } })
}

/** https://hl7.org/fhir/R4/http.html#history: what was asked for each version, and what came of it. */
export function historyEntry(base: string, stored: Stored, resource: string | undefined): string {
  const { type, id, version, deleted, updated } = stored
  const method = deleted ? 'DELETE' : version === 1 ? 'POST' : 'PUT'
  const request = { method, url: method === 'POST' ? type : `${type}/${id}` }
  const status = deleted ? '204' : version === 1 ? '201' : '200'
  const response = { status, etag: `W/"${version}"`, lastModified: new Date(updated).toISOString() }
  const body = resource === undefined ? '' : `,"resource":${resource}`
  const told = `"request":${JSON.stringify(request)},"response":${JSON.stringify(response)}`
  return `{"fullUrl":${urlOf(base, stored)}${body},${told}}`
}

function urlOf(base: string, { type, id }: Stored): string {
  return JSON.stringify(`${base}/${type}/${id}`)
}
