import type { Task } from 'fhir/r4'
import type { NewDelivery, ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import type { Destination } from '#core/destination.ts'
import type { Ids, Store } from '#core/ports.ts'
import { referenceTo } from '#core/resource.ts'
import { findOrder } from './order-file.ts'
import { renewalAnswerOf } from './renewal-answers.ts'
import { kindOf } from './task-states.ts'

export interface SendingPorts {
  store: Pick<Store, 'read' | 'registrations'>
  ids: Ids
  parse(json: string): unknown
}

/**
 * What goes out for a Task that has just been asked of a pharmacy we send to: the order itself where it is to be
 * fulfilled, the Task where something else is asked about an order that is there already; and the answer to one that asked
 * for a renewal. Who polls needs none.
 */
export async function deliveriesOf(
  ports: SendingPorts,
  writes: readonly ResourceWrite[],
): Promise<NewDelivery[]> {
  const asked = writes.filter(({ resource, previous }) => {
    if (resource.resourceType !== 'Task' || resource.status !== 'requested') return false
    const before = previous as Task | undefined
    return before === undefined || before.status === 'draft'
  })
  const deliveries = (await Promise.all(asked.map((write) => sent(ports, write, writes)))).flat()
  return withAnswers(ports, deliveries, writes)
}

/**
 * An answer to a request for renewal goes to the pharmacy that asked: with the order that it comes to where that goes
 * there too, so that neither is taken for something of its own. HL7 v2 has no word for `pending`, and says that a renewal is
 * approved with the order alone.
 */
async function withAnswers(
  ports: SendingPorts,
  deliveries: readonly NewDelivery[],
  writes: readonly ResourceWrite[],
): Promise<NewDelivery[]> {
  const all = [...deliveries]
  for (const { resource, previous, version, updated } of writes) {
    if (resource.resourceType !== 'Task' || kindOf(resource) !== 'renewal') continue
    const answer = renewalAnswerOf(resource)
    if (!answer || answer === renewalAnswerOf((previous as Task | undefined) ?? {})) continue
    const isApproved = answer === 'approved' || answer === 'approved-with-changes'
    const orders = (resource.output ?? []).map(({ valueReference }) => valueReference?.reference)
    const answering = { type: 'Task', id: resource.id, version }
    const patient = patientOf(resource)
    for (const { id, channel } of await pharmaciesOf(ports, resource.requester?.reference)) {
      const index = all.findIndex(
        ({ destination, resources: [first] }) =>
          destination === id && orders.includes(`${first?.type}/${first?.id}`),
      )
      const along = all[index]
      if (channel.kind === 'mllp' && (answer === 'pending' || (isApproved && !along))) continue
      if (along) all[index] = { ...along, resources: [...along.resources, answering] }
      else
        all.push({
          id: ports.ids.random(),
          destination: id,
          resources: [answering],
          ...(patient ? { patient } : {}),
          due: updated,
        })
    }
  }
  return all
}

/** The destinations of a pharmacy. */
async function pharmaciesOf({ store }: SendingPorts, wanted: string | undefined): Promise<Destination[]> {
  return (await store.registrations('destination'))
    .map(({ json }) => JSON.parse(json) as Destination)
    .filter(({ active, role, organization }) => active && role === 'pharmacy' && organization === wanted)
}

/** The deliveries of one Task, whatever became of those before; `writes` is what is stored together with it. */
export async function sent(
  ports: SendingPorts,
  { resource, version, updated }: ResourceWrite,
  writes: readonly ResourceWrite[] = [],
): Promise<NewDelivery[]> {
  if (resource.resourceType !== 'Task') return []
  const kind = kindOf(resource)
  if (kind !== 'fulfil' && kind !== 'cancel') return []
  const holders = await pharmaciesOf(ports, resource.owner?.reference)
  if (holders.length === 0) return []
  const focus = resource.focus?.reference
  const written = writes.find((write) => referenceTo(write.resource) === focus)?.resource
  const order = kind === 'fulfil' ? (written ?? (await findOrder(ports, focus))) : undefined
  if (kind === 'fulfil' && !order) return []
  const sending = order
    ? { type: 'MedicationRequest', id: order.id, version: Number(order.meta?.versionId) }
    : { type: 'Task', id: resource.id, version }
  const patient = patientOf(resource)
  return holders.map(({ id }) => ({
    id: ports.ids.random(),
    destination: id,
    resources: [sending],
    ...(patient ? { patient } : {}),
    due: updated,
  }))
}
