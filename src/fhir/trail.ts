import { patientOf } from '#core/compartment.ts'
import type { Decision } from '#core/decision.ts'
import type { Reference, Resource } from '#core/resource.ts'
import { referenceTo } from '#core/resource.ts'

/** What one request touched and why it was let through or not, gathered for its audit events. */
export interface Trail {
  patients: Set<Reference>
  entities: Set<string>
  consents: Set<Reference>
  reasons: Set<string>
  /** A search, as it was asked. */
  query?: string
  /** What else is told of a success, in words without patient data. */
  words?: string
  /** Something was refused by decision, whatever the answer looked like from outside. */
  denied: boolean
}

export function createTrail(): Trail {
  return { patients: new Set(), entities: new Set(), consents: new Set(), reasons: new Set(), denied: false }
}

export function traceDecision(trail: Trail, decision: Decision): void {
  for (const reason of decision.reasons) trail.reasons.add(reason)
  for (const consent of decision.consents) trail.consents.add(consent as Reference)
  if (!decision.permit) trail.denied = true
}

export function tracePatient(trail: Trail, resource: Resource): void {
  const patient = patientOf(resource)
  if (patient) trail.patients.add(patient)
}

/** `version` is told for writes only, and then stands for the reference without. */
export function traceResource(trail: Trail, resource: Resource, version?: number): void {
  tracePatient(trail, resource)
  const reference = referenceTo(resource)
  if (version === undefined) {
    trail.entities.add(reference)
    return
  }
  trail.entities.delete(reference)
  trail.entities.add(`${reference}/_history/${version}`)
}

/** A write that was not made after all. */
export function untrace(trail: Trail, resource: Resource, version: number): void {
  trail.entities.delete(`${referenceTo(resource)}/_history/${version}`)
}
