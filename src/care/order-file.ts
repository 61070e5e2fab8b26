import type { MedicationAdministration, MedicationDispense, MedicationRequest, Task } from 'fhir/r4'
import type { Nonce } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Criterion, Cursor } from '#core/query.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { referenceTo } from '#core/resource.ts'
import type { CarePorts } from './change.ts'
import { hasEnded, kindOf, type TaskKind } from './task-states.ts'

const pageSize = 200
/** Tasks and dispenses of one order beyond this are no treatment any more. */
const maxPages = 10

type Ports = Pick<CarePorts, 'parse'> & { store: Pick<CarePorts['store'], 'search'> }
type Reading = Pick<CarePorts, 'parse'> & { store: Pick<CarePorts['store'], 'read'> }

/** The order itself as it stands now; undefined for what is not there or no order. */
export async function findOrder(
  { store, parse }: Reading,
  reference: string | undefined,
): Promise<Identified<MedicationRequest> | undefined> {
  const id = /^MedicationRequest\/([A-Za-z0-9.-]{1,64})(?:\/_history\/.+)?$/.exec(reference ?? '')?.[1]
  if (!id) return undefined
  const stored = await store.read('MedicationRequest', id)
  return stored && !stored.deleted ? (parse(stored.json) as Identified<MedicationRequest>) : undefined
}

/** All Tasks about an order, of one kind. */
export async function tasksOf(
  ports: Ports,
  order: Identified<MedicationRequest>,
  kind: TaskKind,
): Promise<Identified<Task>[]> {
  const found = await all<Identified<Task>>(ports, 'Task', named('focus', referenceTo(order)))
  return found.filter((task) => kindOf(task) === kind)
}

export function dispensesOf(
  ports: Ports,
  order: Identified<MedicationRequest>,
): Promise<Identified<MedicationDispense>[]> {
  return all(ports, 'MedicationDispense', named('prescription', referenceTo(order)))
}

export function administrationsOf(
  ports: Ports,
  order: Identified<MedicationRequest>,
): Promise<Identified<MedicationAdministration>[]> {
  return all(ports, 'MedicationAdministration', named('request', referenceTo(order)))
}

/** Who has the order in hand: the owner of what was sent, else the pharmacy it names. None: it never left. */
export async function holderOf(
  ports: Ports,
  order: Identified<MedicationRequest>,
): Promise<Reference | undefined> {
  const tasks = (await tasksOf(ports, order, 'fulfil')).filter(wasSent)
  const owner = (tasks.find((task) => !hasEnded(task.status)) ?? tasks.at(-1))?.owner?.reference
  const holder = owner ?? order.dispenseRequest?.performer?.reference
  return holder as Reference | undefined
}

export function wasSent({ status }: Task): boolean {
  return status !== 'draft' && status !== 'entered-in-error'
}

/** A day is longer than any request lives. */
const nonceMs = 86_400_000

/**
 * What was seen of an order is right only if nothing came between reading and writing: each version of what was seen is
 * counted, so the count never comes back, and of two writes that saw the same one has to look again.
 */
export function seenNonce(
  what: string,
  order: Identified<MedicationRequest>,
  seen: readonly Identified[],
  at: number,
): Nonce {
  const versions = seen.reduce((sum, { meta }) => sum + Number(meta?.versionId ?? 0), 0)
  return { issuer: `${what} of ${referenceTo(order)}`, value: String(versions), expires: at + nonceMs }
}

/** Every current resource that a criterion finds. Throws Failure `too-costly` rather than to leave some out. */
export async function all<R>({ store, parse }: Ports, type: string, ...criteria: Criterion[]): Promise<R[]> {
  const found: R[] = []
  let after: Cursor | undefined
  for (let page = 0; page < maxPages; page++) {
    const rows = await store.search({ type, criteria, limit: pageSize, ...(after ? { after } : {}) })
    found.push(...rows.map(({ stored }) => parse(stored.json) as R))
    after = rows.at(-1)?.cursor
    if (rows.length < pageSize) return found
  }
  throw new Failure('too-costly', 'There is more about this order than can be looked through.')
}

function named(param: string, ...values: string[]): Criterion {
  return { kind: 'token', param, values }
}
