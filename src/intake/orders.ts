import type { MedicationRequest } from 'fhir/r4'
import { recordsOfPerson, survivorOf } from '#access/same-person.ts'
import { mayKnowOrder, mayTellOfOrder } from '#care/known-order.ts'
import type { Caller } from '#core/caller.ts'
import type { Nonce } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { OrderLink } from '#core/flow.ts'
import type { Store } from '#core/ports.ts'
import { type Identified, type Reference, type Resource, referenceTo } from '#core/resource.ts'

type Order = Identified<MedicationRequest>

/** One patient has fewer orders with the same number than this. */
const maxFound = 20

/** How often one number of one patient may be placed anew, when what carried it was deleted or a mistake. */
const maxPlaced = 20

/**
 * Finds the orders that a message speaks of, of its own patient only where it names one, and the pharmacies they name, by slot. Throws
 * Failure `not-found` for an order that is not here or not this caller's to know (which looks the same), and `conflict`
 * where it cannot be told which one is meant or where two parts of a message speak of the same one (neither would know
 * of the other).
 */
export async function resolveOrders(
  { store, access }: { store: Pick<Store, 'search' | 'read'>; access: Pick<Access, 'decide'> },
  links: readonly OrderLink[],
  { caller, patient }: { caller: Caller; patient: Reference | undefined },
): Promise<Record<string, Reference>> {
  const references: Record<string, Reference> = {}
  const patients = patient && links.length > 0 ? await recordsIn(store, patient) : []
  for (const link of links) {
    const found = await findOrders(store, link, { caller, patients })
    const known: Order[] = []
    for (const each of found) if (await mayName({ store, access }, caller, link, each)) known.push(each)
    const order = requireOne(known, link)
    const reference: Reference = `MedicationRequest/${order.id}`
    if (links.some(({ slot }) => references[slot] === reference))
      throw refusal('conflict', 'Send what concerns one order in a message of its own', link)
    references[link.slot] = reference
    const subject = order.subject.reference
    if (subject) references[`${link.slot}-patient`] = subject as Reference
    const pharmacy = order.dispenseRequest?.performer?.reference
    if (pharmacy) references[`${link.slot}-pharmacy`] = pharmacy as Reference
  }
  return references
}

/**
 * An order is placed once: a number that the patient's orders carry already would make a second one of it, that the pharmacy
 * fills too, and which of the two a later message means nobody could tell. Throws Failure `conflict`. Numbers count with
 * their systems only, and an order that was a mistake has none.
 *
 * Resolves with what the commit claims: of those who place one number at the same time, in whatever process, one
 * commits, and the others look again and find the order.
 */
export async function claimNewOrders(
  store: Pick<Store, 'search' | 'read' | 'hasNonce'>,
  links: readonly OrderLink[],
  { caller, patient }: { caller: Caller; patient: Reference | undefined },
): Promise<Nonce[]> {
  const claims: Nonce[] = []
  const patients = patient && links.length > 0 ? await recordsIn(store, patient) : []
  const seen = new Set<string>()
  for (const link of links) {
    const [number] = link.identifiers
    if (!number || patients.length === 0) continue
    const key = `${number.system}|${number.value}`
    const alike = { ...link, identifiers: [number], values: [] }
    // Before the search: whoever claims the same one in between commits first or not at all.
    const claim = await freeClaim(store, `${key} ${patient}`, link)
    const found = await findOrders(store, alike, { caller, patients })
    if (seen.has(key) || found.some(({ status }) => status !== 'entered-in-error'))
      throw refusal('conflict', 'The patient has an order with this number: a new one needs its own', link)
    seen.add(key)
    claims.push(claim)
  }
  return claims
}

/** Never forgotten: however long somebody takes, a number that was placed meanwhile is not placed again. */
async function freeClaim(store: Pick<Store, 'hasNonce'>, number: string, link: OrderLink): Promise<Nonce> {
  for (let time = 1; time <= maxPlaced; time++) {
    const claim = { issuer: 'placed-order', value: `${number} ${time}`, expires: Number.MAX_SAFE_INTEGER }
    if (!(await store.hasNonce(claim.issuer, claim.value))) return claim
  }
  throw refusal('conflict', 'An order with this number was placed too often: a new one needs its own', link)
}

/** Whose the orders are that a message speaks of without naming a patient: the records that stand for them now. */
export async function findOrderPatients(
  store: Pick<Store, 'search' | 'read'>,
  links: readonly OrderLink[],
  caller: Caller,
): Promise<Reference[]> {
  const found = new Set<Reference>()
  for (const link of links) {
    for (const { subject } of await findOrders(store, link, { caller, patients: [] })) {
      const [type, id = ''] = (subject.reference ?? '').split('/')
      const stored = type === 'Patient' ? await store.read('Patient', id) : undefined
      if (stored && !stored.deleted) found.add(await survivorOf(store, JSON.parse(stored.json) as Resource))
    }
  }
  return [...found]
}

/** An order stays with the record it was placed for, though that was merged into another one since. */
async function recordsIn(store: Pick<Store, 'read'>, patient: Reference): Promise<Reference[]> {
  const others = (await recordsOfPerson(store, patient)).map(referenceTo)
  return [...new Set([patient, ...others])]
}

/**
 * By the first of the numbers that any of the patient's orders carries. An answer may name no patient: then a pharmacy's
 * number finds an order only with the system that makes it one of a kind.
 */
async function findOrders(
  store: Pick<Store, 'search'>,
  link: OrderLink,
  { caller, patients }: { caller: Caller; patients: Reference[] },
): Promise<Order[]> {
  const isNamed = patients.length > 0
  const whole = link.identifiers.map(({ system, value }) => `${system}|${value}`)
  const numbers = isNamed ? [...whole, ...link.values] : caller.role === 'pharmacy' ? whole : []
  for (const number of numbers) {
    const found = await store.search({
      type: 'MedicationRequest',
      criteria: [
        { kind: 'token', param: 'identifier', values: [number] },
        ...(isNamed ? [{ kind: 'token' as const, param: 'patient', values: patients }] : []),
      ],
      limit: maxFound,
    })
    if (found.length > 0) return found.map(({ stored }) => JSON.parse(stored.json) as Order)
  }
  return []
}

/**
 * A pharmacy knows of the orders that name it (R55). Of others, who asks something of an order must be one who may know
 * it: nobody has a stranger's order cancelled or renewed. Who tells what has happened must be a party of the order.
 */
async function mayName(
  ports: { store: Pick<Store, 'search'>; access: Pick<Access, 'decide'> },
  caller: Caller,
  { asks }: OrderLink,
  order: Order,
): Promise<boolean> {
  const { role, actors } = caller
  if (role === 'pharmacy')
    return actors.some((actor) => actor === order.dispenseRequest?.performer?.reference)
  return asks ? mayKnowOrder(ports, order, caller) : mayTellOfOrder(ports, order, caller)
}

/** As placed and as encoded carry the same numbers: what is filled is the one that names the pharmacy. */
function requireOne(orders: readonly Order[], link: OrderLink): Order {
  if (orders.length === 0) throw refusal('not-found', 'There is no such order of this patient here', link)
  const narrower = [
    orders,
    orders.filter(({ dispenseRequest }) => dispenseRequest?.performer !== undefined),
    orders.filter(({ intent }) => intent !== 'original-order'),
    orders.filter(({ status }) => status === 'active'),
  ]
  const one = narrower.find(({ length }) => length === 1)?.[0]
  if (!one)
    throw refusal('conflict', 'Several orders of this patient carry this number', link, 'multiple-matches')
  return one
}

function refusal(
  kind: 'not-found' | 'conflict',
  text: string,
  { place }: OrderLink,
  code?: 'multiple-matches',
): Failure {
  return new Failure(kind, [{ text, expression: place, ...(code ? { code } : {}) }])
}
