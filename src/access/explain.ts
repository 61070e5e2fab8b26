import type { Caller, Interaction } from '#core/caller.ts'
import { patientOf } from '#core/compartment.ts'
import type { Access, Decision } from '#core/decision.ts'
import type { Store } from '#core/ports.ts'
import type { Reference, Resource } from '#core/resource.ts'

/** What may be asked about something stored; a create asks about nothing that is there yet. */
export const explainable = ['read', 'vread', 'history', 'search', 'update', 'delete'] as const

export interface Question {
  /** Who would look, for which purpose: a caller made of a registration, without a session. */
  caller: Caller
  resource: Reference
  interaction: Extract<Interaction, (typeof explainable)[number]>
}

/** "May X see Y for purpose Z, and why": the decision record as authorize makes it, and what it would hide. */
export interface Explanation extends Decision {
  /** Top-level elements of this very resource that would be left out or thinned. */
  hidden: string[]
  /** Whose data it is. */
  patient?: Reference
}

/**
 * Asks the one authorize, as the doors do; nothing is decided here. Undefined when there is no such resource, or none
 * any more.
 */
export async function explain(
  { store, access }: { store: Store; access: Access },
  { caller, resource: reference, interaction }: Question,
): Promise<Explanation | undefined> {
  const [type = '', id = ''] = reference.split('/')
  const stored = await store.read(type, id)
  if (!stored || stored.deleted) return undefined
  const resource = JSON.parse(stored.json) as Resource
  const decision = await access.decide({ caller, interaction, type, stored: resource })
  const patient = patientOf(resource)
  const hidden = decision.permit ? hiddenIn(resource, access.redact(decision, resource)) : []
  return { ...decision, hidden, ...(patient ? { patient } : {}) }
}

function hiddenIn(whole: Resource, seen: Resource): string[] {
  if (seen === whole) return []
  const shown = seen as unknown as Record<string, unknown>
  return Object.entries(whole)
    .filter(([name, value]) => shown[name] !== value && !(name === 'meta' && isTaggedOnly(whole, seen)))
    .map(([name]) => name)
    .sort()
}

/** The tag that says something was left out is no hiding of its own. */
function isTaggedOnly(whole: Resource, seen: Resource): boolean {
  const names = Object.keys(whole.meta ?? {}).filter((name) => name !== 'tag')
  return names.every((name) => name in (seen.meta ?? {}))
}
