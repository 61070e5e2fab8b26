import type { Coding } from 'fhir/r4'
import type { Act } from '#core/act.ts'

/** Code systems of AuditEvents as IHE BALP uses them: https://profiles.ihe.net/ITI/BALP/content.html */
export const systems = {
  dicom: 'http://dicom.nema.org/resources/ontology/DCM',
  eventType: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
  interaction: 'http://hl7.org/fhir/restful-interaction',
  lifecycle: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle',
  participation: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType',
  provenance: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type',
  userAgent: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes',
  authorization: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType',
  roleClass: 'http://terminology.hl7.org/CodeSystem/v3-RoleClass',
  securityRole: 'http://terminology.hl7.org/CodeSystem/extra-security-role-type',
  entityType: 'http://terminology.hl7.org/CodeSystem/audit-entity-type',
  balpEntityType: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType',
  resourceType: 'http://hl7.org/fhir/resource-types',
  objectRole: 'http://terminology.hl7.org/CodeSystem/object-role',
  sourceType: 'http://terminology.hl7.org/CodeSystem/security-source-type',
  watch: 'https://postern.health/fhir/CodeSystem/watch',
  purpose: 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
} as const

export function coding(system: keyof typeof systems, code: string): Coding {
  return { system: systems[system], code }
}

const application = coding('dicom', '110150')
const destination = coding('dicom', '110152')
const source = coding('dicom', '110153')
const author = coding('participation', 'AUT')
const informationRecipient = coding('participation', 'IRCP')
const rest = coding('eventType', 'rest')

/** How one kind of act looks as an AuditEvent. */
export interface Shape {
  type: Coding
  subtype: Coding
  action: 'C' | 'R' | 'U' | 'D' | 'E'
  /** Roles of the three agents. */
  client: Coding
  server: Coding
  user: Coding
  /** BALP profile of a success, by its last part, without and with patient; none where BALP has none. */
  profile?: { anyone?: string; patient?: string }
  /** The event tells the request itself (`query`) or the resources touched (`data`). */
  entity: 'query' | 'data'
}

// Of these the client is the source of what flows; a read is the other way round, a delete has roles of its own.
const written = { type: rest, client: source, server: destination, user: author, entity: 'data' } as const
const read = {
  type: rest,
  client: destination,
  server: source,
  user: informationRecipient,
  entity: 'data',
} as const
const readProfile = { anyone: 'BasicAudit.Read', patient: 'BasicAudit.PatientRead' }
const createProfile = { anyone: 'BasicAudit.Create', patient: 'BasicAudit.PatientCreate' }
const sent = { client: destination, server: source, user: informationRecipient, entity: 'data' } as const
const operated = { client: application, server: destination, user: author, entity: 'data' } as const

export const shapes: Record<Act['kind'], Shape> = {
  read: { ...read, subtype: coding('interaction', 'read'), action: 'R', profile: readProfile },
  vread: { ...read, subtype: coding('interaction', 'vread'), action: 'R', profile: readProfile },
  // BALP's Read is for read and vread only.
  history: { ...read, subtype: coding('interaction', 'history-instance'), action: 'R' },
  search: {
    type: rest,
    subtype: coding('interaction', 'search-type'),
    action: 'E',
    client: source,
    server: destination,
    user: informationRecipient,
    profile: { anyone: 'BasicAudit.Query', patient: 'BasicAudit.PatientQuery' },
    entity: 'query',
  },
  create: { ...written, subtype: coding('interaction', 'create'), action: 'C', profile: createProfile },
  ingest: { ...written, subtype: coding('interaction', 'create'), action: 'C', profile: createProfile },
  update: {
    ...written,
    subtype: coding('interaction', 'update'),
    action: 'U',
    profile: { anyone: 'BasicAudit.Update', patient: 'BasicAudit.PatientUpdate' },
  },
  // BALP has none; it is an update that a person answers for.
  sign: { ...written, subtype: coding('lifecycle', 'attest'), action: 'U' },
  // Nor for this: what was given out before was looked at. The lifecycle's word for it.
  view: { ...read, subtype: coding('lifecycle', 'access'), action: 'R' },
  delete: {
    ...written,
    subtype: coding('interaction', 'delete'),
    action: 'D',
    client: application,
    server: coding('provenance', 'custodian'),
    profile: { anyone: 'BasicAudit.Delete', patient: 'BasicAudit.PatientDelete' },
  },
  token: {
    type: coding('dicom', '110114'),
    subtype: { system: 'urn:ihe:event-type-code', code: 'ITI-71' },
    action: 'E',
    client: application,
    server: coding('userAgent', 'AuthzOauthService'),
    user: informationRecipient,
    profile: { anyone: 'IUA.71' },
    entity: 'query',
  },
  // User authentication, login and logout: https://hl7.org/fhir/R4/auditevent-example-login.json.html
  'sign-in': {
    ...operated,
    type: coding('dicom', '110114'),
    subtype: coding('dicom', '110122'),
    action: 'E',
  },
  'sign-out': {
    ...operated,
    type: coding('dicom', '110114'),
    subtype: coding('dicom', '110123'),
    action: 'E',
  },
  disclosure: {
    ...sent,
    type: coding('dicom', '110106'),
    subtype: coding('lifecycle', 'disclose'),
    action: 'R',
    profile: { patient: 'BasicAudit.PrivacyDisclosure.Source' },
  },
  transmission: {
    ...sent,
    type: coding('dicom', '110106'),
    subtype: coding('lifecycle', 'transmit'),
    action: 'R',
  },
  // Data taken out in bulk by who may, here the log itself: no disclosure of a patient's data to a recipient.
  export: {
    ...operated,
    type: coding('dicom', '110106'),
    subtype: coding('lifecycle', 'extract'),
    action: 'R',
    client: destination,
    server: source,
  },
  // Patient record, and the lifecycle's word for its end; BALP's Delete is for one resource at the REST door.
  erase: {
    ...operated,
    type: coding('dicom', '110110'),
    subtype: coding('lifecycle', 'destroy'),
    action: 'D',
  },
  // A watch rule fired.
  alert: {
    ...operated,
    type: coding('dicom', '110113'),
    subtype: coding('watch', 'alert'),
    action: 'E',
  },
  // Security alert, security configuration.
  configuration: {
    ...operated,
    type: coding('dicom', '110113'),
    subtype: coding('dicom', '110129'),
    action: 'E',
  },
  // Application activity, application start; the client is its launcher.
  start: {
    ...operated,
    type: coding('dicom', '110100'),
    subtype: coding('dicom', '110120'),
    action: 'E',
    client: coding('dicom', '110151'),
    server: application,
  },
}
