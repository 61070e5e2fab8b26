import type { AuditEvent, AuditEventAgent, AuditEventEntity } from 'fhir/r4'
import type { Act } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { Reference } from '#core/resource.ts'
import { isSystem, networkOf, type Server } from './agents.ts'
import { coding } from './codes.ts'

const profile = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.AuthZconsent'

/**
 * The decision that consents made about one patient, as an event of its own (IHE BALP 1.1.5, Authorization based on a
 * consent). The profile wants a person, the organization they work for, and the consents: where one of them is missing
 * the act's own event tells which rules decided, and nothing is made up. An act on several patients does not say which
 * consent was whose, so it has none either. The id is the caller's to give.
 */
export function consentDecision(
  act: Act,
  server: Server,
  source: AuditEvent['source'],
): AuditEvent | undefined {
  const { caller, consents = [], patients, outcome, at } = act
  const [patient] = patients
  const organization = caller?.actors.find((actor) => actor.startsWith('Organization/'))
  const person = caller?.actors.find((actor) =>
    /^(Practitioner|PractitionerRole|RelatedPerson)\//.test(actor),
  )
  if (!caller || isSystem(caller) || !organization || !person) return undefined
  if (!patient || patients.length > 1 || consents.length === 0 || outcome === 'failed') return undefined
  const recorded = new Date(at).toISOString()
  return {
    resourceType: 'AuditEvent',
    meta: { versionId: '1', lastUpdated: recorded, profile: [profile] },
    type: coding('dicom', '110113'),
    subtype: [coding('authorization', 'AuthZ-Consent')],
    action: 'E',
    recorded,
    outcome: outcome === 'success' ? '0' : '8',
    agent: [clientOf(act, caller), userOf(caller, person), ...settingOf(organization, server)],
    source,
    entity: entitiesOf(act, patient, consents),
  }
}

function clientOf({ network }: Act, caller: Caller): AuditEventAgent {
  return {
    type: { coding: [coding('dicom', '110150')] },
    who: { identifier: { value: caller.clientId } },
    requestor: false,
    network: JSON.parse(networkOf(caller.network ?? network)),
  }
}

function userOf({ name, role, tokenId, purpose }: Caller, person: Reference): AuditEventAgent {
  return {
    type: { coding: [coding('participation', 'IRCP')] },
    role: [{ text: role }],
    who: { reference: person },
    name,
    requestor: true,
    ...(tokenId ? { policy: [`urn:ietf:params:oauth:jti:${tokenId}`] } : {}),
    ...(purpose ? { purposeOfUse: [{ coding: [coding('purpose', purpose)] }] } : {}),
  }
}

/** The organization behind the person, and the server that decided: word for word the source's observer. */
function settingOf(organization: Reference, { reference }: Server): AuditEventAgent[] {
  return [
    { type: { coding: [coding('roleClass', 'PROV')] }, who: { reference: organization }, requestor: false },
    { type: { coding: [coding('securityRole', 'authserver')] }, who: { reference }, requestor: false },
  ]
}

/** The profile's slicing is closed, so the request's id and the rules stand as details. */
function entitiesOf(
  { requestId, reasons = [] }: Act,
  patient: Reference,
  consents: readonly Reference[],
): AuditEventEntity[] {
  const detail = [
    { type: 'X-Request-Id', valueString: requestId },
    ...reasons.map((reason) => ({ type: 'rule', valueString: reason })),
  ]
  return [
    { what: { reference: patient }, type: coding('entityType', '1'), role: coding('objectRole', '1') },
    ...consents.map((reference) => ({
      what: { reference },
      type: coding('resourceType', 'Consent'),
      detail,
    })),
  ]
}
