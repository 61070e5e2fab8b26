import type { Bundle, BundleEntry, Identifier } from 'fhir/r4'
import { isDecimal } from '#core/decimal.ts'
import { Failure } from '#core/failure.ts'
import { type Identified, type Reference, referenceTo } from '#core/resource.ts'
import type { Content, Parcel } from './channel.ts'

/** Who a message is from, to and about: sent along so that what refers to them finds them at the receiver. */
const parties = ['Patient', 'Practitioner', 'PractitionerRole', 'Organization', 'RelatedPerson', 'Device']

/** Types without an identifier element: a repetition of them could not be recognised. */
const unrecognisable = ['Provenance', 'AuditEvent', 'Binary', 'Bundle']

const MAX_ENTRIES = 50

/**
 * The contents and the parties they refer to as a transaction that may come in any number of times: each a conditional
 * create by identifier, later versions a conditional update. References among them become the entries' URNs; what stays
 * here is referred to by its identifier. https://hl7.org/fhir/R4/http.html#trules
 */
export async function transactionOf(parcel: Parcel): Promise<Bundle> {
  const sent = new Map<Reference, Content>()
  for (const content of parcel.contents) sent.set(referenceTo(content.resource), content)
  const elsewhere = new Map<Reference, Identified | undefined>()
  await gather(parcel, sent, elsewhere)

  const urns = new Map<Reference, string>()
  for (const reference of sent.keys()) urns.set(reference, `urn:uuid:${await uuidOf(reference)}`)
  const point = (reference: Reference) => {
    const urn = urns.get(reference)
    if (urn) return { reference: urn }
    const known = elsewhere.get(reference)
    return {
      type: reference.slice(0, reference.indexOf('/')),
      ...(known ? { identifier: identifierOf(known) } : {}),
    }
  }
  const contents = new Set(parcel.contents)
  const entry = [...sent].map(([reference, content]) =>
    entryOf(content, urns.get(reference) ?? '', contents.has(content) && content.version > 1, point),
  )
  return { resourceType: 'Bundle', type: 'transaction', entry }
}

/** Follows references from the contents: parties are sent too, and asked for theirs; of others only the identifier. */
async function gather(
  parcel: Parcel,
  sent: Map<Reference, Content>,
  elsewhere: Map<Reference, Identified | undefined>,
): Promise<void> {
  for (const { resource } of sent.values()) {
    // A Map shows its loop what is added meanwhile: this ends when nothing new is referred to.
    for (const reference of referencesIn(resource)) {
      if (sent.has(reference) || elsewhere.has(reference)) continue
      if (sent.size + elsewhere.size >= MAX_ENTRIES) throw new Failure('too-costly', 'too-many-references')
      const found = await parcel.load(reference)
      if (!found && reference.startsWith('Patient/')) throw new Failure('forbidden', 'patient')
      if (found && parties.includes(found.resourceType)) sent.set(reference, { resource: found, version: 1 })
      else elsewhere.set(reference, found)
    }
  }
}

function entryOf(
  { resource }: Content,
  fullUrl: string,
  update: boolean,
  point: (reference: Reference) => object,
): BundleEntry {
  const type = resource.resourceType
  if (unrecognisable.includes(type)) throw new Failure('unsupported', 'no-identifier')
  const {
    id: _id,
    meta,
    text: _narrative,
    ...rest
  } = rewrite(resource, point) as Identified & { text?: unknown }
  const { versionId: _version, lastUpdated: _updated, ...kept } = meta ?? {}
  const named = identifierOf(resource) ? rest : { ...rest, ...ownIdentifier(type, fullUrl) }
  const body = { ...named, ...(Object.keys(kept).length ? { meta: kept } : {}) } as Identified
  const criteria = `identifier=${encodeURIComponent(token(identifierOf(body)))}`
  const request: BundleEntry['request'] = update
    ? { method: 'PUT', url: `${type}?${criteria}` }
    : { method: 'POST', url: type, ifNoneExist: criteria }
  return { fullUrl, resource: body, request }
}

/** The business identifier a receiver knows a resource by: one with a system where there is one. */
function identifierOf(resource: object): Identifier | undefined {
  const identifiers = [(resource as { identifier?: Identifier | Identifier[] }).identifier]
    .flat()
    .filter((identifier) => identifier?.value)
  return identifiers.find((identifier) => identifier?.system) ?? identifiers[0]
}

/** For what has no identifier: its URN, which is the same at every attempt. */
function ownIdentifier(type: string, urn: string): object {
  const identifier = { system: 'urn:ietf:rfc:3986', value: urn }
  return { identifier: type === 'QuestionnaireResponse' ? identifier : [identifier] }
}

/** `system|value` as a search value, in which `,` `|` `$` and `\` are escaped: https://hl7.org/fhir/R4/search.html#escaping */
function token(identifier: Identifier | undefined): string {
  const escaped = (text: string) => text.replace(/[\\,|$]/g, '\\$&')
  return `${escaped(identifier?.system ?? '')}|${escaped(identifier?.value ?? '')}`
}

const relative = /^([A-Z][A-Za-z]*\/[A-Za-z0-9.-]{1,64})(?:\/_history\/.+)?$/

function* referencesIn(value: unknown): Generator<Reference> {
  if (typeof value !== 'object' || value === null || isDecimal(value)) return
  const target = relative.exec(String((value as { reference?: unknown }).reference ?? ''))?.[1]
  if (target) yield target as Reference
  for (const inner of Object.values(value)) yield* referencesIn(inner)
}

function rewrite(value: unknown, point: (reference: Reference) => object): unknown {
  if (Array.isArray(value)) return value.map((item) => rewrite(item, point))
  if (typeof value !== 'object' || value === null || isDecimal(value)) return value
  const copy = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rewrite(item, point)]))
  const target = typeof copy.reference === 'string' ? relative.exec(copy.reference)?.[1] : undefined
  if (!target) return copy
  const { reference: _reference, ...rest } = copy
  return { ...rest, ...point(target as Reference) }
}

/** A UUID (version 8) made of a text: an entry's URN has to be the same at every attempt. */
async function uuidOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  const bytes = digest.slice(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
