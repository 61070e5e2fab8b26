import { survivorOf } from '#access/same-person.ts'
import { Failure } from '#core/failure.ts'
import type { Party } from '#core/flow.ts'
import type { Store, Vault } from '#core/ports.ts'
import { type Identified, type Reference, type Resource, versioned } from '#core/resource.ts'

/** Numbers of one person in one message; each is looked for. */
const maxNumbers = 100

/** How many resolved identifiers are remembered. */
const remembered = 50_000

export interface ResolvedParties {
  /** By slot of the flow. */
  references: Record<string, Reference>
  /** Stubs for those nobody knew: version 1, to be written in the same commit. */
  stubs: Identified[]
}

export interface Parties {
  resolve(parties: readonly Party[], at: number): Promise<ResolvedParties>
  /**
   * The record of a person as it is known by heart, or as looked up; where nobody has the number the one that would be
   * made. Undefined where that cannot be told: `resolve` says why. Never rejects.
   */
  recordOf(party: Party): Reference | Promise<Reference | undefined>
}

/**
 * Finds the persons and organizations a message names by their identifiers. Nobody is made twice: the id of a stub is
 * derived from type and identifier, so that two messages at once collide on it and the second finds the first.
 * Throws Failure `conflict` when two records carry the identifier: a person must say which is meant.
 */
export function createParties({ store, vault }: { store: Store; vault: Vault }): Parties {
  const known = new Map<string, Reference>()
  /** How often what is known was forgotten: what was looked up before that is not remembered after it. */
  let forgotten = 0
  const keyOf = (party: Party) => `${party.type}|${party.identifier.system}|${party.identifier.value}`

  function forget(): void {
    known.clear()
    forgotten++
  }

  store.onChangeElsewhere?.(forget)
  store.onCommit(({ writes }) => {
    // A record that was changed may have lost its identifier, or another may have gained it.
    if (writes?.some((write) => write.version > 1 && write.resource.resourceType in partyTypes)) forget()
  })

  /** A party is followed to the record that stands for it now. */
  async function findFollowed(party: Party): Promise<Reference | undefined> {
    const before = forgotten
    const reference = await find(party)
    if (reference && before === forgotten) {
      if (known.size >= remembered) known.clear()
      known.set(keyOf(party), reference)
    }
    return reference
  }

  const stubId = ({ type, identifier }: Party) =>
    vault.deriveId('party', type, identifier.system, identifier.value)

  async function find(party: Party): Promise<Reference | undefined> {
    const { type, identifier } = party
    const value = `${identifier.system}|${identifier.value}`
    const rows = await store.search({
      type,
      criteria: [{ kind: 'token', param: 'identifier', values: [value] }],
      limit: 20,
    })
    const found = new Set<Reference>()
    for (const { stored } of rows) {
      const resource = JSON.parse(stored.json) as Resource
      found.add(party.merge === 'replaced' ? `${type}/${stored.id}` : await survivorOf(store, resource))
    }
    if (found.size > 1) {
      throw new Failure('conflict', [
        {
          text: `Two ${type} records carry the identifier given here: link or merge them first`,
          expression: party.slot,
        },
      ])
    }
    return [...found][0]
  }

  /** The stub's own record, where another message made it in between or it lost the identifier since. */
  async function findStub({ type, slot }: Party, id: string): Promise<Reference | undefined> {
    const stored = await store.read(type, id)
    if (stored?.deleted) {
      throw new Failure('conflict', [
        {
          text: `The ${type} with the identifier given here was deleted: restore it first`,
          expression: slot,
        },
      ])
    }
    return stored && `${type}/${id}`
  }

  /**
   * A stub takes no number that another record has: two with one number could be told apart by nobody, and whoever may
   * name a patient could so shut out every message about another. Not a word of it is said, as it would tell who is here.
   */
  async function ownNumbers({ type, identifier, stub }: Party): Promise<Resource> {
    const { identifier: listed = [] } = stub as { identifier?: Party['identifier'][] }
    if (listed.length < 2) return stub
    if (listed.length > maxNumbers)
      throw new Failure('too-costly', `Nobody is made of more than ${maxNumbers} identifiers`)
    const own: Party['identifier'][] = []
    for (const each of listed) {
      const isNamed = each.system === identifier.system && each.value === identifier.value
      const values = [`${each.system}|${each.value}`]
      const taken = isNamed
        ? []
        : await store.search({ type, criteria: [{ kind: 'token', param: 'identifier', values }], limit: 1 })
      if (taken.length === 0) own.push(each)
    }
    return { ...stub, identifier: own } as Resource
  }

  async function resolve(parties: readonly Party[], at: number): Promise<ResolvedParties> {
    const references: Record<string, Reference> = {}
    const stubs = new Map<string, Identified>()
    for (const party of parties) {
      const key = keyOf(party)
      const reference = party.merge ? await find(party) : (known.get(key) ?? (await findFollowed(party)))
      if (reference) {
        references[party.slot] = reference
        continue
      }
      const id = stubId(party)
      references[party.slot] = `${party.type}/${id}`
      // Told of first, told of best: the subject comes before the roles it also has.
      if (stubs.has(key) || (await findStub(party, id))) continue
      stubs.set(key, versioned(related(await ownNumbers(party), references.subject), id, 1, at))
    }
    requireApart(parties, references)
    return { references, stubs: [...stubs.values()] }
  }

  function recordOf({ merge: _merge, ...party }: Party): Reference | Promise<Reference | undefined> {
    return (
      known.get(keyOf(party)) ??
      findFollowed(party).then(
        (found): Reference => found ?? `${party.type}/${stubId(party)}`,
        () => undefined,
      )
    )
  }

  return { resolve, recordOf }
}

/** Each record of a merge is another one: what survives cannot be replaced too, nor a record by itself. */
function requireApart(parties: readonly Party[], references: Readonly<Record<string, Reference>>): void {
  const merged = parties.filter(({ merge }) => merge !== undefined).map(({ slot }) => references[slot])
  if (new Set(merged).size === merged.length) return
  const text = 'Two of the records to be merged are one already, or each would take the place of the other'
  throw new Failure('conflict', [{ text, expression: 'MRG-1' }])
}

/** A RelatedPerson is related to the patient the message is about. */
function related(stub: Resource, subject: Reference | undefined): Resource {
  if (stub.resourceType !== 'RelatedPerson' || !subject) return stub
  return { ...stub, patient: { ...stub.patient, reference: subject } }
}

const partyTypes: Record<Party['type'], true> = {
  Patient: true,
  Practitioner: true,
  Organization: true,
  RelatedPerson: true,
  Device: true,
}
