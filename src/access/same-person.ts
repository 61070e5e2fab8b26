import type { Patient } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import { type Reference, type Resource, referenceTo } from '#core/resource.ts'

/** Merges of one person's records in a row; beyond this something is wrong with the links. */
const maxRecords = 20

/**
 * All records of the person whom a patient's record is about, this one first: those it replaces and those it is replaced
 * by, and so on (https://hl7.org/fhir/R4/patient-definitions.html#Patient.link). `seealso` is no merge. A link that only
 * one side tells of counts for that side: whoever is linked to says so too, or nothing of theirs is brought in.
 * Throws Failure `too-costly` for more than can be decided upon.
 */
export async function recordsOfPerson(store: Pick<Store, 'read'>, patient: Reference): Promise<Patient[]> {
  const found = new Map<Reference, Patient>()
  const open: { reference: Reference; from?: Reference }[] = [{ reference: patient }]
  for (let next = open.shift(); next; next = open.shift()) {
    if (found.has(next.reference)) continue
    const record = await readPatient(store, next.reference)
    if (!record) continue
    const links = mergeLinks(record)
    if (next.from !== undefined && !links.includes(next.from)) continue
    if (found.size === maxRecords)
      throw new Failure('too-costly', 'A patient has more merged records than can be decided upon')
    found.set(next.reference, record)
    open.push(...links.map((reference) => ({ reference, from: referenceTo(record) })))
  }
  return [...found.values()]
}

/** The record that took the place of this one in the end; itself where none did. Throws Failure `conflict` for a circle. */
export async function survivorOf(store: Pick<Store, 'read'>, resource: Resource): Promise<Reference> {
  let current = resource
  for (let steps = 0; steps < maxRecords; steps++) {
    const next = current.resourceType === 'Patient' ? linksOf(current, 'replaced-by')[0] : undefined
    const record = next && (await readPatient(store, next))
    if (!record) return referenceTo(current)
    current = record
  }
  throw new Failure(
    'conflict',
    'The records of this patient replace each other in a circle: mend their links first',
  )
}

/** The records that a patient's record says it was merged with. */
export function mergeLinks(record: Patient): Reference[] {
  return [...linksOf(record, 'replaces'), ...linksOf(record, 'replaced-by')]
}

function linksOf({ link }: Patient, type: 'replaces' | 'replaced-by'): Reference[] {
  return (link ?? []).flatMap(({ type: each, other }) =>
    each === type && /^Patient\/[A-Za-z0-9.-]{1,64}$/.test(other.reference ?? '')
      ? [other.reference as Reference]
      : [],
  )
}

async function readPatient(store: Pick<Store, 'read'>, reference: Reference): Promise<Patient | undefined> {
  const stored = await store.read('Patient', reference.slice('Patient/'.length))
  return stored && !stored.deleted ? (JSON.parse(stored.json) as Patient) : undefined
}
