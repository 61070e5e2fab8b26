import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { patientOf } from '#core/compartment.ts'
import { isDecimal } from '#core/decimal.ts'
import type { Identified, Reference, Resource } from '#core/resource.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'

/** A resource that others published, as it is sent here. */
export interface Published {
  /** Set and file, for telling which. */
  from: string
  type: string
  place: Reference
  resource: Identified
}

const folder = new URL('../../fixtures/third-party/examples/', import.meta.url)

interface Line {
  file: string
  fullUrl?: string
  resource: Resource
}

/** All of fixtures/third-party/examples, each under an id of its own, as its types are to be sent. */
export function readPublished(adapt: (resource: Identified, at: number) => Identified): Published[] {
  const sets = readdirSync(folder).toSorted()
  const lines = sets.flatMap((set) => readSet(set).map((line) => ({ ...line, from: `${set}/${line.file}` })))
  const places = lines.map(({ resource }, at): Reference => `${resource.resourceType}/example-${at}`)
  const standing = new Map(
    lines.flatMap(({ from, fullUrl }, at) => (fullUrl ? [[`${from} ${fullUrl}`, places[at] ?? '']] : [])),
  )
  return lines.map(({ from, resource }, at): Published => {
    const place = places[at] ?? '/'
    const linked = withLinks(resource, (url) => standing.get(`${from} ${url}`)) as Resource
    const placed = { ...linked, id: place.slice(place.indexOf('/') + 1) } as Identified
    return { from, type: resource.resourceType, place, resource: adapt(placed, at) }
  })
}

function readSet(set: string): Line[] {
  const text = gunzipSync(readFileSync(new URL(`${set}/resources.ndjson.gz`, folder))).toString('utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => parseJson(line) as Line)
}

/** What a Bundle says of its own entries is said of where they stand here, as a transaction would. */
function withLinks(value: unknown, placeOf: (url: string) => string | undefined): unknown {
  if (value === null || typeof value !== 'object' || isDecimal(value)) return value
  if (Array.isArray(value)) return value.map((item) => withLinks(item, placeOf))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === 'reference' && typeof item === 'string' ? (placeOf(item) ?? item) : withLinks(item, placeOf),
    ]),
  )
}

/** Where a type says whom it is about, of those that are shown as a patient's only. */
const subjects: Readonly<Record<string, string>> = {
  Communication: 'subject',
  CommunicationRequest: 'subject',
  QuestionnaireResponse: 'subject',
  MedicationRequest: 'subject',
  MedicationDispense: 'subject',
  Task: 'for',
  DocumentReference: 'subject',
  Flag: 'subject',
  DetectedIssue: 'patient',
  Binary: 'securityContext',
}

/** Content of no known patient is kept, and shown to nobody (docs/access.md): to be read back, it is given one. */
export function withPatient(resource: Identified, patient: Reference): Identified {
  if (patientOf(resource)) return resource
  const element = subjects[resource.resourceType]
  if (resource.resourceType === 'Provenance')
    return { ...resource, target: [...(resource.target ?? []), { reference: patient }] }
  if (!element) return resource
  const said = (resource as unknown as Record<string, object | undefined>)[element]
  return { ...resource, [element]: { ...said, reference: patient } } as Identified
}

/** With every digit, members in order; without what the server gives. */
export function canonical(resource: unknown): string {
  const { id: _id, meta, ...rest } = resource as Record<string, unknown>
  const { versionId: _version, lastUpdated: _time, ...kept } = (meta ?? {}) as Record<string, unknown>
  return stringifyJson(ordered({ ...rest, ...(Object.keys(kept).length > 0 ? { meta: kept } : {}) }))
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null || isDecimal(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, ordered(item)]),
  )
}
