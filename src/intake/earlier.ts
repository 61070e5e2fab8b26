import { recordsOfPerson } from '#access/same-person.ts'
import type { Caller } from '#core/caller.ts'
import { patientOf } from '#core/compartment.ts'
import type { Access } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { EarlierLink } from '#core/flow.ts'
import type { Store, Vault } from '#core/ports.ts'
import { type Reference, type Resource, referenceTo } from '#core/resource.ts'
import { keyedParts } from './mapping-functions.ts'
import { findShared } from './shared-earlier.ts'

export interface EarlierFound {
  references: Record<string, Reference>
  /** Those that this sender told of itself. */
  retold: Reference[]
}

/**
 * Finds what was told of before, by slot. What is not here has no slot, unless the message needs it. Throws Failure
 * `not-found`, and `conflict` where it is another patient's: a number used twice must not move a message from one patient
 * to another.
 */
export async function resolveEarlier(
  {
    store,
    vault,
    access,
  }: {
    store: Pick<Store, 'read' | 'search'>
    vault: Pick<Vault, 'deriveId'>
    access: Pick<Access, 'decide'>
  },
  links: readonly EarlierLink[],
  { flow, caller, parties }: { flow: string; caller: Caller; parties: Readonly<Record<string, Reference>> },
): Promise<EarlierFound> {
  const patient = parties.subject
  const found: EarlierFound = { references: {}, retold: [] }
  for (const link of links) {
    const { slot, type, key, place, required } = link
    const id = vault.deriveId(flow, caller.clientId, ...keyedParts(key.name, key.number))
    const stored = await store.read(type, id)
    if (stored && !stored.deleted) {
      const owner = patientOf(JSON.parse(stored.json) as Resource)
      if (owner !== patient && !(await isSamePerson(store, patient, owner)))
        throw new Failure('conflict', [
          { text: 'What came with this number before is about another patient', expression: place },
        ])
      found.references[slot] = `${type}/${id}`
      found.retold.push(`${type}/${id}`)
      continue
    }
    const known = { ...parties, ...found.references }
    const shared = await findShared({ store, access }, link, { caller, patient, known })
    if (shared) found.references[slot] = shared
    else if (required) {
      const text = link.shared
        ? 'Nothing with this number of this patient is here that you are a party of'
        : 'Nothing with this number came from you before'
      throw new Failure('not-found', [{ text, expression: place }])
    }
  }
  return found
}

/** What stands on a record that was merged into another one is that one's too. */
async function isSamePerson(
  store: Pick<Store, 'read'>,
  one: Reference | undefined,
  other: Reference | undefined,
): Promise<boolean> {
  if (!one || !other) return false
  return (await recordsOfPerson(store, one)).some((record) => referenceTo(record) === other)
}
