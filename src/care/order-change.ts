import { Failure } from '#core/failure.ts'
import type { Resource } from '#core/resource.ts'

/**
 * What a plain write may make of an order, by the status it has. An order comes into force by being signed or through
 * a door for orders authorised elsewhere (ACC15, R18); in force it is never edited (R20), and to stop it the pharmacy
 * must be told. A plain write does none of that, so it ends where that begins.
 */
const next: Readonly<Record<string, readonly string[]>> = {
  new: ['draft'],
  draft: ['draft', 'cancelled', 'entered-in-error'],
}

/** Throws Failure `invalid` when a create or update may not make this of a MedicationRequest; other types pass. */
export function requireOrderChange(stored: Resource | undefined, incoming: Resource): void {
  if (incoming.resourceType !== 'MedicationRequest') return
  const from = stored?.resourceType === 'MedicationRequest' ? stored.status : 'new'
  const allowed = next[from]
  if (allowed?.includes(incoming.status)) return
  const text = allowed
    ? `An order that is ${from} can be written as ${allowed.join(', ')} only; it is put in force by signing it.`
    : 'An order that is a draft no more is not changed by a plain write.'
  throw new Failure('invalid', [{ code: 'business-rule', text, expression: 'MedicationRequest.status' }])
}
