import type { Caller, Role } from '#core/caller.ts'

/** Who causes a change of state: a caller by its role, or the gateway itself by what a partner answered or time did. */
export type Mover = Role | 'system'

/** Systems and people of the clinic. */
export const clinic: readonly Mover[] = ['ehr', 'clinician', 'prescriber']
/** Those of them who may ask for what only a prescriber may ask for: an EHR hands on what its prescribers did in it. */
export const prescribing: readonly Mover[] = ['ehr', 'prescriber']
export const pharmacies: readonly Mover[] = ['pharmacy', 'pharmacist']

/**
 * A platform is trusted with orders by grant (ACC15), and then with asking for their end as the clinic's own systems
 * are; without the grant it can hand in drafts only.
 */
export function moverOf({ role, grants }: Caller): Mover {
  return role === 'platform' && grants.includes('order-source') ? 'ehr' : role
}
