import type { AuditEvent, Extension } from 'fhir/r4'
import type { AuditEntry } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { Reference } from '#core/resource.ts'

const tag = { system: 'https://postern.health/fhir/CodeSystem/audit-origin', code: 'reported' } as const
const url = 'https://postern.health/fhir/StructureDefinition/reported-event'

export interface Report {
  /** As it was sent, its references made relative. */
  event: AuditEvent
  /** The bytes that were sent, base64. */
  original: string
  caller: Caller
  organization: Reference
  patient: Reference
  /** Milliseconds since the epoch. */
  received: number
}

/**
 * What another system tells of, for the log: its own words, with a mark and the bytes it sent. Events of the gateway
 * bear neither, and nobody but this function writes them: what the source sent under either name is taken off.
 */
export function markReported(id: string, report: Report, write: (event: AuditEvent) => string): AuditEntry {
  const { event, patient, received, caller } = report
  const { profile, security, tag: tags = [] } = event.meta ?? {}
  const { resourceType, id: _, meta: __, extension = [], ...told } = event
  const json = write({
    resourceType,
    id,
    meta: {
      versionId: '1',
      lastUpdated: new Date(received).toISOString(),
      ...(profile ? { profile } : {}),
      ...(security ? { security } : {}),
      tag: [...tags.filter(({ system }) => system !== tag.system), tag],
    },
    extension: [...extension.filter((each) => each.url !== url), originOf(report)],
    ...told,
  })
  const named = (event.entity ?? []).flatMap(({ what }) => what?.reference ?? [])
  return {
    id,
    recorded: Date.parse(event.recorded),
    received,
    json,
    patient,
    entities: named.filter((reference) => reference !== patient),
    agent: caller.clientId,
  }
}

/** The name of the system that reported an event; undefined for an event of this gateway. */
export function reporterOf({ meta, extension }: AuditEvent): string | undefined {
  if (!meta?.tag?.some(({ system, code }) => system === tag.system && code === tag.code)) return undefined
  const parts = extension?.find((each) => each.url === url)?.extension
  return parts?.find((part) => part.url === 'client')?.valueReference?.display ?? 'unknown'
}

function originOf({ caller, organization, received, original }: Report): Extension {
  const { clientId, name, tokenId } = caller
  return {
    url,
    extension: [
      { url: 'client', valueReference: { identifier: { value: clientId }, display: name } },
      { url: 'organization', valueReference: { reference: organization } },
      ...(tokenId ? [{ url: 'token', valueUri: `urn:ietf:params:oauth:jti:${tokenId}` }] : []),
      { url: 'received', valueInstant: new Date(received).toISOString() },
      { url: 'original', valueBase64Binary: original },
    ],
  }
}
