import type { MedicationRequest, Task } from 'fhir/r4'
import type { Audit } from '#core/act.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { LateEntry } from '#core/ledger.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import { type Identified, type Reference, referenceTo } from '#core/resource.ts'
import { type CarePorts, changed, made } from './change.ts'
import { alertTask, holderTask } from './holder-task.ts'
import { readLedger } from './ledger-reading.ts'
import { findOrder, holderOf, tasksOf } from './order-file.ts'
import { hasEnded } from './task-states.ts'

type Order = Identified<MedicationRequest>

interface LatePorts {
  store: CarePorts['store'] & Pick<Store, 'ledger' | 'lateEntries' | 'commit'>
  audit: Audit
  clock: Clock
  ids: Ids
  parse: CarePorts['parse']
}

/** How often what came in is looked at: who signed is told within a minute (R29). */
export const lateMessageMs = 20_000
const batch = 100
/** A day is longer than any round lives. */
const nonceMs = 86_400_000
const alertText = 'Message after signing'

/**
 * What came in for a patient after an order was signed and before a pharmacy began with it: a Task for who signed, with
 * the cancellation as a draft beside it, to be asked for or left (R29). Nothing is stopped by itself. Resolves with how
 * many messages were told of. Rejects when the store cannot answer.
 */
export async function tellLateMessages(ports: LatePorts): Promise<number> {
  let told = 0
  for (;;) {
    const late = await ports.store.lateEntries(batch)
    for (const each of late) {
      const outcome = await tellOf(ports, each)
      // To go on would take this one off with the next.
      if (outcome === 'lost') return told
      if (outcome === 'told') told += 1
    }
    if (late.length < batch) return told
  }
}

async function tellOf(ports: LatePorts, late: LateEntry): Promise<'told' | 'nothing' | 'lost'> {
  const { store, audit, clock, ids } = ports
  const at = clock.now()
  const orders = await unreleasedOrders(ports, late)
  const writes = (await Promise.all(orders.map((order) => alertWrites(ports, order, late, at)))).flat()
  const entities = writes.map(({ resource, version }) => `${referenceTo(resource)}/_history/${version}`)
  const act = { kind: 'update', outcome: 'success', outcomeText: 'message after signing' } as const
  const entries =
    writes.length > 0
      ? audit.record({ ...act, at, requestId: ids.random(), patients: [late.patient], entities })
      : []
  // Of two processes one tells.
  const nonces = [{ issuer: 'message after signing', value: late.entry.id, expires: at + nonceMs }]
  try {
    await store.commit({ audit: entries, writes, nonces, lateSeen: late.seq })
    return writes.length > 0 ? 'told' : 'nothing'
  } catch (cause) {
    // The other one was faster, or somebody works on the Task: the next round looks again at what is left.
    if (cause instanceof Failure && ['conflict', 'precondition-failed'].includes(cause.kind)) return 'lost'
    throw cause
  }
}

/** Orders that were signed here before something came in, are in force, and that no pharmacy has begun with. */
async function unreleasedOrders(ports: LatePorts, { patient, entry: late }: LateEntry): Promise<Order[]> {
  const { entries } = await readLedger(ports.store, patient)
  const before = entries.slice(
    0,
    entries.findIndex(({ entry }) => entry.id === late.id),
  )
  const signed = before.flatMap(({ entry }) => (entry.kind === 'signed' ? [entry.order.what] : []))
  const orders = await Promise.all([...new Set(signed)].map((what) => findOrder(ports, what)))
  const found: Order[] = []
  for (const order of orders) {
    if (!order || !['active', 'on-hold', 'unknown'].includes(order.status)) continue
    const tasks = await tasksOf(ports, order, 'fulfil')
    const waits = ({ status }: Task) => ['requested', 'received', 'accepted', 'ready'].includes(status)
    if (tasks.some(waits)) found.push(order)
  }
  return found
}

async function alertWrites(
  ports: LatePorts,
  order: Order,
  { patient, entry }: LateEntry,
  at: number,
): Promise<ResourceWrite[]> {
  const message = { type: { text: 'came in' }, valueReference: { reference: entry.what } }
  const alerts = (await tasksOf(ports, order, 'work')).filter(({ code }) => code?.text === alertText)
  const standing = alerts.find(({ status }) => !hasEnded(status))
  if (standing)
    return [changed<Identified<Task>>(standing, { input: [...(standing.input ?? []), message] }, at)]
  const prescriber = order.requester?.reference as Reference | undefined
  const holder = await holderOf(ports, order)
  const { resource } = holderTask(ports, {
    code: 'abort',
    order,
    ...(holder ? { holder } : {}),
    requester: prescriber,
    at,
  })
  const offered = made({ ...(resource as Identified<Task>), status: 'draft' }, at)
  const offer = {
    type: { text: 'cancellation to be asked for' },
    valueReference: { reference: referenceTo(offered.resource) },
  }
  const alert = alertTask(ports, {
    text: alertText,
    description: 'Something came in after this order was signed: read it, and cancel the order if need be',
    about: referenceTo(order),
    patient,
    owner: prescriber,
    at,
    input: [message, offer],
  })
  return [offered, alert]
}
