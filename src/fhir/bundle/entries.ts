import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import { fhirJson } from '#fhir/negotiate.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'

/** Entries of one Bundle. */
const maxEntries = 100

/** One entry as it was sent: https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request */
export interface Entry {
  /** In the Bundle, from 0. */
  at: number
  fullUrl?: string
  resource?: unknown
  method: string
  /** Path and query below the base. */
  path: string
  query: URLSearchParams
  /** By lower-case name. */
  headers: Readonly<Record<string, string>>
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const conditions = {
  ifNoneExist: 'if-none-exist',
  ifMatch: 'if-match',
  ifNoneMatch: 'if-none-match',
  ifModifiedSince: 'if-modified-since',
} as const

/** The Bundle in a body. Throws Failure `malformed` or `too-large`; what is wrong in one entry names that entry. */
export function readBundle(
  body: Uint8Array,
  base: string,
): { type: 'batch' | 'transaction'; entries: Entry[] } {
  const bundle = parseJson(body) as Record<string, unknown> | null
  if (typeof bundle !== 'object' || bundle?.resourceType !== 'Bundle') {
    throw new Failure('malformed', 'What is posted to the base is a Bundle.')
  }
  const { type, entry = [] } = bundle
  if (type !== 'batch' && type !== 'transaction') {
    throw new Failure('malformed', [
      { text: 'A Bundle is taken as batch or as transaction.', expression: 'Bundle.type' },
    ])
  }
  if (!Array.isArray(entry)) throw new Failure('malformed', 'Bundle.entry is not a list.')
  if (entry.length > maxEntries) throw new Failure('too-large', `Send at most ${maxEntries} entries.`)
  return { type, entries: entry.map((each, at) => readEntry(each, at, `${base}/`)) }
}

function readEntry(entry: unknown, at: number, prefix: string): Entry {
  const { fullUrl, resource, request } = (entry ?? {}) as Record<string, unknown>
  const { method, url, ...rest } = (request ?? {}) as Record<string, unknown>
  if (typeof method !== 'string' || !methods.includes(method) || typeof url !== 'string') {
    throw new Failure('malformed', [
      { text: 'The entry needs a request with method and url.', expression: `Bundle.entry[${at}].request` },
    ])
  }
  const own = (url.startsWith(prefix) ? url.slice(prefix.length) : url).replace(/^\//, '')
  const mark = own.indexOf('?')
  const headers = Object.entries(conditions).flatMap(([name, header]) => {
    const value = rest[name]
    return typeof value === 'string' ? [[header, value] as const] : []
  })
  return {
    at,
    ...(typeof fullUrl === 'string' ? { fullUrl } : {}),
    ...(resource === undefined ? {} : { resource }),
    method,
    path: mark < 0 ? own : own.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : own.slice(mark + 1)),
    headers: Object.fromEntries(headers),
  }
}

/** The entry as a request of its own, in the name of the caller of all. */
export function requestOf(entry: Entry, outer: DoorRequest): DoorRequest {
  const { type, body } = entry.method === 'PATCH' ? patchOf(entry.resource) : bodyOf(entry.resource)
  const inherited = ['prefer']
  return {
    method: entry.method,
    path: entry.path,
    query: entry.query,
    header: (name) => {
      const key = name.toLowerCase()
      if (key === 'content-type') return type
      if (key === 'accept') return fhirJson
      return entry.headers[key] ?? (inherited.includes(key) ? outer.header(key) : undefined)
    },
    body,
    caller: outer.caller,
    requestId: outer.requestId,
    part: true,
  }
}

interface Body {
  type: string
  body: Uint8Array
}

/** A JSON Patch travels as Binary: https://hl7.org/fhir/R4/http.html#patch */
function patchOf(resource: unknown): Body {
  const { resourceType, contentType, data } = (resource ?? {}) as Record<string, unknown>
  if (resourceType === 'Binary' && typeof contentType === 'string' && typeof data === 'string') {
    return { type: contentType, body: fromBase64(data) }
  }
  return bodyOf(resource)
}

function bodyOf(resource: unknown): Body {
  if (resource === undefined || resource === null) return { type: fhirJson, body: new Uint8Array(0) }
  return { type: fhirJson, body: new TextEncoder().encode(stringifyJson(resource)) }
}

function fromBase64(data: string): Uint8Array {
  try {
    return Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
  } catch (cause) {
    throw new Failure('malformed', 'The data of a Binary is not base64.', { cause })
  }
}

/** What came of one entry, as JSON text: https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.response */
export function responseEntry({ status, headers, body }: DoorResponse): string {
  const modified = Date.parse(headers['Last-Modified'] ?? '')
  const response = {
    status: String(status),
    ...(headers.Location ? { location: headers.Location } : {}),
    ...(headers.ETag ? { etag: headers.ETag } : {}),
    ...(Number.isFinite(modified) ? { lastModified: new Date(modified).toISOString() } : {}),
  }
  if (!body) return `{"response":${JSON.stringify(response)}}`
  if (status < 400) return `{"resource":${body},"response":${JSON.stringify(response)}}`
  return `{"response":${JSON.stringify(response).slice(0, -1)},"outcome":${body}}}`
}
