import type { Caller, Interaction } from '#core/caller.ts'
import type { Reference, Resource } from '#core/resource.ts'

/** What authorize decided, and why: kept with the audit event. */
export interface Decision {
  permit: boolean
  /** Rule names, in the order they were applied, e.g. `role:ehr`, `scope`, `treating`, `consent:deny`. No patient data. */
  reasons: string[]
  /** `Consent/id` of the consents that decided. */
  consents: string[]
  /** Version of the rules. */
  rules: string
  /** Top-level elements the caller may see; all of them where absent. */
  fields?: readonly string[]
}

export interface AccessRequest {
  caller: Caller
  interaction: Interaction
  type: string
  /** What is stored now: the resource read, or the version to be replaced or deleted. */
  stored?: Resource
  /** What is about to be stored. */
  incoming?: Resource
}

/** The one authorize. Everything that reads or writes passes here. */
export interface Access {
  /** What the token alone shows (role table and scopes). Deny → 403 before anything is looked up. */
  gate(caller: Caller, interaction: Interaction, type: string): Decision
  /** The whole decision about one resource: gate ∩ compartment ∩ treating party ∩ consent ∩ purpose. Deny → as if absent. */
  decide(request: AccessRequest): Promise<Decision>
  /** The records that were merged with a patient's (Patient.link), this one first: a search for one asks for all. */
  recordsOf(patient: Reference): Promise<readonly Reference[]>
  /** The resource as a caller may see it under this decision; the same value when nothing is hidden. */
  redact<R extends Resource>(decision: Decision, resource: R): R
}
