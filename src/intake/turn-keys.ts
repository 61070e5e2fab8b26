import type { Caller } from '#core/caller.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Store } from '#core/ports.ts'
import { findOrderPatients } from './orders.ts'
import type { Parties } from './parties.ts'
import type { TurnKeys } from './turns.ts'

/** Numbers of one person that order its messages; nobody has more. */
const maxNumbers = 100

export interface TurnOf {
  flow: Pick<Flow, 'orders'>
  source: unknown
  parties: readonly Party[]
  caller: Caller
}

/**
 * By whom a message takes its turn (I17): by all numbers that it gives each patient and by the record that they lead to, of
 * an answer that names an order only by the order's patient, and without either by its sender. At once where the records
 * are known by heart. Never rejects: what cannot be looked up fails where it is needed.
 */
export function turnKeysOf(
  { store, parties }: { store: Pick<Store, 'search' | 'read'>; parties: Pick<Parties, 'recordOf'> },
  { flow, source, parties: named, caller }: TurnOf,
): TurnKeys | Promise<TurnKeys> {
  const patients = named.filter(({ type }) => type === 'Patient')
  if (patients.length > 0) {
    const records = patients.map(parties.recordOf)
    const areKnown = records.every((record) => typeof record === 'string')
    return areKnown
      ? keysOf(patients, records)
      : Promise.all(records).then((found) => keysOf(patients, found))
  }
  const ofSender = [[`client ${caller.clientId}`]]
  const links = flow.orders?.(source) ?? []
  if (links.length === 0) return ofSender
  return findOrderPatients(store, links, caller).then(
    (found) => (found.length > 0 ? found.map((record) => [record]) : ofSender),
    () => ofSender,
  )
}

/** Records that a message merges are one person from here on. */
function keysOf(patients: readonly Party[], records: readonly (string | undefined)[]): TurnKeys {
  const merged: string[] = []
  const people = [merged]
  for (const [index, party] of patients.entries()) {
    const keys = [...numbersOf(party), records[index]].filter((key) => key !== undefined)
    if (party.merge) merged.push(...keys)
    else people.push(keys)
  }
  return people.filter(({ length }) => length > 0)
}

function numbersOf({ identifier, stub }: Party): string[] {
  const { identifier: listed = [] } = stub as { identifier?: Partial<Party['identifier']>[] }
  return [identifier, ...listed.slice(0, maxNumbers)].map(({ system, value }) => `${system}|${value}`)
}
