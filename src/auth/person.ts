import type { Reference as FhirReference, HumanName, Period } from 'fhir/r4'
import type { JWTPayload } from 'jose'
import { holds, intervalOfPeriod } from '#access/interval.ts'
import type { Clock, Store } from '#core/ports.ts'
import type { Reference, Resource } from '#core/resource.ts'
import type { IssuerRegistration, PersonRole } from './issuers.ts'

export interface Person {
  reference: Reference
  /** For the audit log, which leaves it out for patients. */
  name: string
  /** Whose record it is about: the patient's own, or the one of whom it is a RelatedPerson. */
  patient?: Reference
}

/** Types whose records people sign in as. */
export function isPersonType(type: string): boolean {
  return type === 'Practitioner' || type === 'Patient' || type === 'RelatedPerson'
}

/** Whom a role is for. A role of a patient with a Practitioner behind it would be somebody else's account. */
function isFor(role: PersonRole, type: string): boolean {
  if (role === 'patient') return type === 'Patient'
  if (role === 'proxy') return type === 'RelatedPerson'
  return type === 'Practitioner'
}

export interface PersonPorts {
  store: Pick<Store, 'read' | 'search'>
  clock: Pick<Clock, 'now'>
  fhirBase: string
}

/**
 * The record here of the person that a token is about: one that stands, is active and is of a type that the role is for.
 * Whoever has left is nobody from the next token on.
 */
export async function findPerson(
  claims: JWTPayload,
  role: PersonRole,
  registration: IssuerRegistration,
  ports: PersonPorts,
): Promise<Person | undefined> {
  const reference = await referenceIn(claims, registration, ports)
  return reference && personRecord(reference, role, ports)
}

/** The person behind a reference: a record that stands, is active, and is of a type that the role is for. */
export async function personRecord(
  reference: Reference,
  role: PersonRole,
  { store, clock }: Pick<PersonPorts, 'store' | 'clock'>,
): Promise<Person | undefined> {
  const [type = '', id = ''] = reference.split('/')
  if (!isFor(role, type)) return undefined
  const stored = await store.read(type, id)
  if (!stored || stored.deleted) return undefined
  const record = JSON.parse(stored.json) as Resource &
    Dated &
    Named & { active?: boolean; patient?: FhirReference }
  if (record.active === false || !isNow(record, clock.now())) return undefined
  const patient = role === 'patient' ? reference : record.patient?.reference
  return { reference, name: nameOf(record) ?? role, ...(patient ? { patient: patient as Reference } : {}) }
}

interface Named {
  name?: HumanName[]
}

interface Dated {
  period?: Period
}

/** A RelatedPerson says from when and until when the relation holds. */
function isNow({ period }: Dated, now: number): boolean {
  const interval = intervalOfPeriod(period)
  return interval !== undefined && holds(interval, now)
}

async function referenceIn(
  claims: JWTPayload,
  { person }: IssuerRegistration,
  { store, fhirBase }: PersonPorts,
): Promise<Reference | undefined> {
  if ('reference' in person) {
    const claim = claims[person.reference]
    const relative = String(claim).startsWith(`${fhirBase}/`)
      ? String(claim).slice(fhirBase.length + 1)
      : claim
    const isReference = typeof relative === 'string' && /^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/.test(relative)
    return isReference ? (relative as Reference) : undefined
  }
  const value = claims[person.identifier]
  if (typeof value !== 'string' || value === '') return undefined
  const values = [`${person.system}|${value}`]
  const { type } = person
  const found = await store.search({
    type,
    criteria: [{ kind: 'token', param: 'identifier', values }],
    limit: 2,
  })
  const [one] = found
  return found.length === 1 && one ? `${type}/${one.stored.id}` : undefined
}

function nameOf({ name }: Named): string | undefined {
  const [first] = name ?? []
  const said = first?.text ?? [...(first?.given ?? []), first?.family ?? ''].join(' ').trim()
  return said === '' ? undefined : said
}
