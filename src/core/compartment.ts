import type { AuditEvent } from 'fhir/r4'
import { patientOfBinary } from '#core/binary-patient.ts'
import type { Reference, Resource } from '#core/resource.ts'

/**
 * Which element holds the patient that a resource is about. It decides under whose key the body is sealed and whose
 * consents are asked. After https://hl7.org/fhir/R4/compartmentdefinition-patient.html, with rules of our own for the
 * types that stand outside of it (Task).
 */
const subjects: Record<string, string[]> = {
  Communication: ['subject'],
  CommunicationRequest: ['subject'],
  QuestionnaireResponse: ['subject', 'source'],
  MedicationRequest: ['subject'],
  MedicationDispense: ['subject'],
  MedicationAdministration: ['subject'],
  Task: ['for'],
  Consent: ['patient'],
  CareTeam: ['subject'],
  RelatedPerson: ['patient'],
  DocumentReference: ['subject'],
  Flag: ['subject'],
  DetectedIssue: ['patient'],
  Encounter: ['subject'],
  EpisodeOfCare: ['patient'],
  Coverage: ['beneficiary'],
  Provenance: ['target'],
  Binary: ['securityContext'],
}

/** The patient whose compartment a resource belongs to, as `Patient/id`; none for what is about nobody. */
export function patientOf(resource: Resource): Reference | undefined {
  if (resource.resourceType === 'Patient') return resource.id ? `Patient/${resource.id}` : undefined
  const told = resource.resourceType === 'Binary' ? patientOfBinary(resource) : undefined
  if (told) return told
  const record = resource as unknown as Record<string, unknown>
  for (const element of subjects[resource.resourceType] ?? []) {
    for (const item of [record[element]].flat()) {
      const reference = (item as { reference?: unknown } | undefined)?.reference
      if (typeof reference === 'string' && isPatient(reference)) return reference
    }
  }
  return undefined
}

/**
 * The patient whom an AuditEvent names as such (IHE BALP: role 1, patient). Not by `patientOf`: events lie under keys of
 * their own, and who reads the log is not told of as who reads records.
 */
export function patientOfEvent({ entity = [] }: AuditEvent): Reference | undefined {
  const told = entity.find(({ role }) => role?.system === objectRoles && role.code === '1')?.what?.reference
  return told !== undefined && isPatient(told) ? told : undefined
}

const objectRoles = 'http://terminology.hl7.org/CodeSystem/object-role'

function isPatient(reference: string): reference is Reference {
  return /^Patient\/[A-Za-z0-9.-]{1,64}$/.test(reference)
}
