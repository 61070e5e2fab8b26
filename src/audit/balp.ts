import type { AuditEvent } from 'fhir/r4'
import type { Act, Audit, AuditEntry } from '#core/act.ts'
import type { Ids } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { createAgents, type Server } from './agents.ts'
import { coding, type Shape, shapes } from './codes.ts'
import { consentDecision } from './consent-decision.ts'
import { entitiesOf, patientEntity } from './entities.ts'
import { timeOrdered } from './event-id.ts'

/** Outcome codes of https://hl7.org/fhir/R4/codesystem-audit-event-outcome.html */
const outcomes = { success: '0', denied: '8', failed: '4' } as const
const maxOutcomeText = 1000

/**
 * Tells acts as AuditEvents in the patterns of IHE BALP 1.1.5 (https://profiles.ihe.net/ITI/BALP). Only a success
 * claims a profile. An event holds references, codes and the request, never clinical content, never a token.
 *
 * Every read makes one, so the JSON is put together from parts written once instead of being serialized anew.
 */
export function createAudit({ server, ids }: { server: Server; ids: Ids }): Audit {
  const agentsOf = createAgents(server)
  const heads = Object.fromEntries(Object.entries(shapes).map(([kind, shape]) => [kind, headOf(shape)]))
  const observed = sourceOf(server)
  const source = JSON.stringify(observed)

  return {
    record(act) {
      const shape = shapes[act.kind]
      const recorded = new Date(act.at).toISOString()
      const agents = agentsOf(act, shape)
      const entities = entitiesOf(act, shape)
      const start = `"lastUpdated":"${recorded}"`
      const rest =
        `,${heads[act.kind]},"recorded":"${recorded}","outcome":"${outcomes[act.outcome]}"` +
        `${outcomeText(act)}${purposeOfEvent(act)},"agent":[${agents.json}],"source":${source}`
      const found = shape.entity === 'data' ? act.entities.map(withoutVersion) : []

      const told = patientsOf(act).map((patient): AuditEntry => {
        const id = timeOrdered(ids.random(), act.at)
        const profiles = profilesOf(act, shape, patient, agents.tokenProfile)
        const all = patient ? [...entities, patientEntity(patient)] : entities
        const json =
          `{"resourceType":"AuditEvent","id":${JSON.stringify(id)},"meta":{"versionId":"1",${start}${profiles}}` +
          `${rest}${all.length > 0 ? `,"entity":[${all.join()}]` : ''}}`
        return { id, recorded: act.at, json, patient, entities: found, agent: act.caller?.clientId }
      })
      const decided = consentDecision(act, server, observed)
      return decided ? [...told, decisionEntry(act, decided, timeOrdered(ids.random(), act.at))] : told
    },
  }
}

function decisionEntry(act: Act, decided: AuditEvent, id: string): AuditEntry {
  const [patient] = act.patients
  const entities = [...(act.consents ?? [])]
  return {
    id,
    recorded: act.at,
    json: JSON.stringify({ ...decided, id }),
    patient,
    entities,
    agent: act.caller?.clientId,
  }
}

function patientsOf(act: Act): readonly (Reference | undefined)[] {
  if (act.patients.length === 0) return [undefined]
  return act.patients.length === 1 ? act.patients : [...new Set(act.patients)]
}

/** A profile is claimed only where everything it asks for is there; the rest keeps the shape without the claim. */
function profilesOf(act: Act, shape: Shape, patient: Reference | undefined, tokenProfile?: string): string {
  if (act.outcome !== 'success') return ''
  const pattern = patient ? shape.profile?.patient : shape.profile?.anyone
  const told = shape.entity === 'query' ? act.query !== undefined : act.entities.length > 0
  const claims = []
  if (pattern && told && (act.caller || act.recipient)) claims.push(pattern)
  if (tokenProfile) claims.push(tokenProfile)
  if (claims.length === 0) return ''
  const urls = claims.map((name) => `"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.${name}"`)
  return `,"profile":[${urls.join()}]`
}

function headOf({ type, subtype, action }: Shape): string {
  return `"type":${JSON.stringify(type)},"subtype":[${JSON.stringify(subtype)}],"action":"${action}"`
}

/** The observer is this server: a disclosure's source agent must be word for word the same reference. */
function sourceOf({ name, reference }: Server): AuditEvent['source'] {
  const applicationServer = coding('sourceType', '4')
  return { site: name, observer: { reference }, type: [applicationServer] }
}

function outcomeText({ outcomeText: text }: Act): string {
  return text ? `,"outcomeDesc":${JSON.stringify(text.slice(0, maxOutcomeText))}` : ''
}

/** An accounting of disclosures tells each one's purpose (45 CFR 164.528). */
function purposeOfEvent({ kind, caller }: Act): string {
  if (kind !== 'disclosure' || !caller) return ''
  return `,"purposeOfEvent":[${JSON.stringify({ coding: [coding('purpose', caller.purpose)] })}]`
}

/** A search for `entity=Communication/1` finds every version of it. */
function withoutVersion(reference: string): string {
  const at = reference.indexOf('/_history/')
  return at < 0 ? reference : reference.slice(0, at)
}
