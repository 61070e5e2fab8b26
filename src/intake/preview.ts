import type { Caller } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import type { Issue } from '#core/failure.ts'
import { type Identified, type Reference, type Resource, referenceTo } from '#core/resource.ts'
import type { FieldCoverage } from '#formats/hl7v2/coverage.ts'
import type { Made } from './made.ts'
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

/**
 * What a message would become, as its sender may see it. What it tells first is its own; the next version of what stands
 * here, and what follows from it, holds more than it told: of that the sender sees what it could read (R10).
 */
export async function shownTo(
  access: Pick<Access, 'gate' | 'decide' | 'redact'>,
  caller: Caller,
  { stubs, followed: { results, writes }, drafts }: Made,
): Promise<{ told: Identified[]; standing: Identified[] }> {
  async function seen({ resource, previous }: ResourceWrite): Promise<Identified | undefined> {
    const type = resource.resourceType
    const decision = await access.decide({ caller, interaction: 'read', type, stored: previous ?? resource })
    return decision.permit ? access.redact(decision, resource) : undefined
  }
  // A stub says that nobody had the identifier yet: that is for who keeps the lists of people.
  const told = stubs
    .filter(({ resource }) => access.gate(caller, 'create', resource.resourceType).permit)
    .map(({ resource }) => resource)
  const standing: Identified[] = []
  for (const write of results) {
    const whole = write.previous ? await seen(write) : undefined
    if (whole) standing.push(whole)
    const draft = drafts.find((each) => referenceTo(each) === referenceTo(write.resource))
    if (!whole) told.push(write.previous && draft ? draft : write.resource)
  }
  for (const write of writes) {
    const whole = await seen(write)
    if (whole) standing.push(whole)
  }
  return { told, standing }
}
