import type { Nonce, ResourceWrite } from '#core/commit.ts'
import type { Destination } from '#core/destination.ts'
import type { Issue } from '#core/failure.ts'
import type { Party } from '#core/flow.ts'
import type { Identified, Reference } from '#core/resource.ts'
import type { FieldCoverage } from '#formats/hl7v2/coverage.ts'
import type { FollowedWrites } from './follow-up.ts'
import type { UnmappedCode } from './mapping-functions.ts'
import type { Allowed } from './place.ts'

/** What a message comes to, before it is told and stored. */
export interface Made {
  parties: Record<string, Reference>
  /** Of those nobody knew, and whom the mapping does not tell of. */
  stubs: ResourceWrite[]
  /** What the mapping made, where it goes and what follows from it. */
  followed: FollowedWrites
  /** One-time values that say whose an order number is: two that place it at once cannot both commit. */
  claims?: Nonce[]
  mapped: Identified[]
  unchanged: Identified[]
  /** Absent for what waits unmapped. */
  mapping?: { name: string; sha256: string }
  warnings: Issue[]
  /** Codes in none of their tables: deliveries wait for a person. */
  unmapped: UnmappedCode[]
  /** Nobody has these patients' numbers, and nothing was made: it waits for a person under this id. */
  unknown?: { id: string; numbers: Party['identifier'][] }
  /** What the mapping was given and what it gave, for when those codes are known. */
  references: Readonly<Record<string, Reference>>
  drafts: Identified[]
  allowed: Allowed[]
  /** HL7 v2 only. */
  fields: FieldCoverage[] | undefined
  deliveries: { destination: Destination; resources: Identified[] }[]
}
