import type { Issue } from '#core/failure.ts'
import type { Reference, Resource } from '#core/resource.ts'
import type { FieldCoverage } from '#formats/hl7v2/coverage.ts'
import type { Coverage } from './receipt.ts'

/** What a message would become, with nothing stored (I13). */
export interface Preview {
  outcome: 'accepted' | 'held' | 'purged'
  resources: Resource[]
  issues: Issue[]
  mapping?: { name: string; sha256: string }
  deliveries: { destination: string; resources: string[] }[]
  /** Why its sender may do this, by resource: names of rules. Who may not is refused. */
  access: { resource: Reference; reasons: readonly string[]; rules: string }[]
  /** HL7 v2 only. */
  coverage?: Coverage & { fields: FieldCoverage[] }
  purged?: true
}
