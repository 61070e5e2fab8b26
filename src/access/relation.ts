import type { Caller } from '#core/caller.ts'
import { patientOf } from '#core/compartment.ts'
import type { Store } from '#core/ports.ts'
import type { Reference, Resource } from '#core/resource.ts'
import { partiesOf, referencesAt } from './parties.ts'
import { current, dispensersOf, type PatientContext, type PatientContexts } from './patient-context.ts'

/** What a relation is asked about: one caller, one patient, one moment. */
export interface Setting {
  caller: Caller
  patient: Reference | undefined
  context: PatientContext | undefined
  contexts: PatientContexts
  store: Store
  now: number
}

/**
 * Whether the caller is a party of the patient's before it writes: named for the patient, or in dealings already. What
 * is only now handed in says nothing about who may: whoever names itself in it would be let in by its own word.
 */
async function isKnownParty(setting: Setting): Promise<boolean> {
  const isCaller = await identity(setting)
  const { context, contexts, patient, now } = setting
  if (context && current(context.parties, now).some(isCaller)) return true
  return patient !== undefined && some((await contexts.dealings(patient)).parties, isCaller)
}

/** Whether the caller may begin something with the patient: of what was done on an order, as a party of that order. */
export async function mayBegin(resource: Resource, setting: Setting): Promise<boolean> {
  const orders = resource.resourceType === 'MedicationAdministration' ? ordersOf(resource) : []
  if (orders.length === 0) return isKnownParty(setting)
  return everyOrder(resource, setting, (order) => isTreating(order, setting))
}

/**
 * Whether the caller is a treating party of the resource (J29): one of its own parties, or of the patient's. A client's
 * organization counts when one of its people, or a care team they are in, is the party.
 */
export async function isTreating(resource: Resource, setting: Setting): Promise<boolean> {
  const isCaller = await identity(setting)
  if (partiesOf(resource).some(isCaller)) return true
  const { context, contexts, patient, now } = setting
  if (context && current(context.parties, now).some(isCaller)) return true
  if (!patient || !aboutThePatient.has(resource.resourceType)) return false
  const { parties } = await contexts.dealings(patient)
  return some(parties, isCaller)
}

/** Who writes with a patient has to know who the patient is and what was agreed. */
const aboutThePatient: ReadonlySet<string> = new Set(['Patient', 'Consent'])

/** Whether the caller is whom the order, task or dispense names to do it. */
export async function isPerformer(resource: Resource, setting: Setting): Promise<boolean> {
  const isCaller = await identity(setting)
  const isOwn = async (order: Resource) => dispensersOf(order).some(isCaller)
  switch (resource.resourceType) {
    case 'MedicationRequest':
      return dispensersOf(resource).some(isCaller)
    case 'Task':
      return partiesOf(resource).some(isCaller)
    case 'MedicationDispense':
      return referencesAt(resource, 'performer.actor').some(isCaller) && everyOrder(resource, setting, isOwn)
    case 'MedicationAdministration':
      return ordersOf(resource).length > 0 && everyOrder(resource, setting, isOwn)
    case 'Patient':
      return (
        setting.patient !== undefined &&
        some((await setting.contexts.dealings(setting.patient)).dispensers, isCaller)
      )
    default:
      return false
  }
}

/** Every order a dispense or administration names is the caller's and of the same patient (R55): none can reach across. */
async function everyOrder(
  fact: Resource,
  { store }: Setting,
  isOwn: (order: Resource) => Promise<boolean>,
): Promise<boolean> {
  for (const order of ordersOf(fact)) {
    const [type, id] = order.split('/')
    if (type !== 'MedicationRequest' || !id) return false
    const stored = await store.read(type, id)
    if (!stored || stored.deleted) return false
    const resource = JSON.parse(stored.json) as Resource
    if (patientOf(resource) !== patientOf(fact) || !(await isOwn(resource))) return false
  }
  return true
}

function ordersOf(fact: Resource): Reference[] {
  return ['authorizingPrescription', 'request'].flatMap((path) => referencesAt(fact, path))
}

export function isSelf({ caller, patient, context }: Setting): boolean {
  const records = context?.records ?? (patient ? [patient] : [])
  return records.some((record) => caller.actors.includes(record))
}

/** Everything the caller is or belongs to, as consents name it: itself, care teams of this patient, named groups. */
export function actorsOf({ caller, context, now }: Setting): readonly Reference[] {
  if (!context || context.bodies.length === 0) return caller.actors
  const joined = context.bodies.filter(({ members }) =>
    current(members, now).some((one) => caller.actors.includes(one)),
  )
  return joined.length === 0 ? caller.actors : [...caller.actors, ...joined.map(({ reference }) => reference)]
}

/** Tells the references that mean this caller from others: itself, people of its organization, care teams with them. */
async function identity({
  caller,
  context,
  contexts,
  now,
}: Setting): Promise<(reference: Reference) => boolean> {
  const staff = new Set<Reference>()
  for (const actor of caller.actors) {
    if (!actor.startsWith('Organization/')) continue
    // A person among the actors acts for itself: colleagues' messages are not its own.
    if (caller.actors.some(isPerson)) continue
    for (const member of current(await contexts.members(actor), now)) staff.add(member)
  }
  const isOne = (reference: Reference) => caller.actors.includes(reference) || staff.has(reference)
  return (reference) => {
    if (isOne(reference)) return true
    if (!reference.startsWith('CareTeam/')) return false
    const team = context?.teams.find((item) => item.reference === reference)
    return team !== undefined && current(team.members, now).some(isOne)
  }
}

function isPerson(actor: Reference): boolean {
  return /^(Practitioner|PractitionerRole|Patient|RelatedPerson)\//.test(actor)
}

function some(references: ReadonlySet<Reference>, accept: (reference: Reference) => boolean): boolean {
  for (const reference of references) if (accept(reference)) return true
  return false
}
