import { recordsOfPerson } from '#access/same-person.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { EarlierLink } from '#core/flow.ts'
import type { Store, Vault } from '#core/ports.ts'
import { type Reference, type Resource, referenceTo } from '#core/resource.ts'
import { keyedParts } from './mapping-functions.ts'

/**
 * Finds what this sender told of before, by slot. What is not here has no slot, unless the message needs it. Throws
 * Failure `not-found`, and `conflict` where it is another patient's: a number used twice must not move a message from one
 * patient to another.
 */
export async function resolveEarlier(
  { store, vault }: { store: Pick<Store, 'read'>; vault: Pick<Vault, 'deriveId'> },
  links: readonly EarlierLink[],
  { flow, sender, patient }: { flow: string; sender: string; patient: Reference | undefined },
): Promise<Record<string, Reference>> {
  const references: Record<string, Reference> = {}
  for (const { slot, type, key, place, required } of links) {
    const id = vault.deriveId(flow, sender, ...keyedParts(key.name, key.number))
    const stored = await store.read(type, id)
    if (!stored || stored.deleted) {
      if (required)
        throw new Failure('not-found', [
          { text: 'Nothing with this number came from you before', expression: place },
        ])
      continue
    }
    const owner = patientOf(JSON.parse(stored.json) as Resource)
    if (owner !== patient && !(await isSamePerson(store, patient, owner)))
      throw new Failure('conflict', [
        { text: 'What came with this number before is about another patient', expression: place },
      ])
    references[slot] = `${type}/${id}`
  }
  return references
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
