import { recordsOfPerson } from '#access/same-person.ts'
import type { Caller } from '#core/caller.ts'
import type { Access } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { EarlierLink } from '#core/flow.ts'
import type { Store } from '#core/ports.ts'
import { type Reference, type Resource, referenceTo } from '#core/resource.ts'

/** One patient has fewer things of one type with the same number than this. */
const maxFound = 20

interface Asking {
  caller: Caller
  patient: Reference | undefined
  /** Whom and what the message names, by slot. */
  known: Readonly<Record<string, Reference>>
}

/**
 * What another sender told of the message's patient under a number that both sides know, where this caller is one of its
 * parties: who answers is not who asked. To all others nothing is here. Throws Failure `conflict` for several.
 */
export async function findShared(
  { store, access }: { store: Pick<Store, 'search' | 'read'>; access: Pick<Access, 'decide'> },
  { type, shared, place }: EarlierLink,
  { caller, patient, known }: Asking,
): Promise<Reference | undefined> {
  if (!shared || !patient) return undefined
  const records = [patient, ...(await recordsOfPerson(store, patient)).map(referenceTo)]
  const found = await store.search({
    type,
    criteria: [
      { kind: 'token', param: 'identifier', values: [shared.number] },
      { kind: 'token', param: 'patient', values: [...new Set(records)] },
    ],
    limit: maxFound,
  })
  const meant: Reference[] = []
  for (const { stored } of found) {
    const resource = JSON.parse(stored.json) as Resource
    if (shared.isMeant(resource, known) && (await isParty(access, caller, resource)))
      meant.push(referenceTo(resource))
  }
  if (meant.length > 1)
    throw new Failure('conflict', [
      { code: 'multiple-matches', text: 'Several of this patient carry this number', expression: place },
    ])
  return meant[0]
}

/** Of a Task its own parties only: who treats the patient may read it, and answers for nobody. */
async function isParty(access: Pick<Access, 'decide'>, caller: Caller, resource: Resource): Promise<boolean> {
  const stored = withoutPatient(resource)
  const decision = await access.decide({ caller, interaction: 'read', type: resource.resourceType, stored })
  return decision.permit
}

function withoutPatient(resource: Resource): Resource {
  if (resource.resourceType !== 'Task') return resource
  const { for: _patient, ...rest } = resource
  return rest
}
