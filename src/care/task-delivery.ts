import type { Task } from 'fhir/r4'
import type { NewDelivery, ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import type { Destination } from '#core/destination.ts'
import type { Ids, Store } from '#core/ports.ts'
import { referenceTo } from '#core/resource.ts'
import { findOrder } from './order-file.ts'
import { kindOf } from './task-states.ts'

export interface SendingPorts {
  store: Pick<Store, 'read' | 'registrations'>
  ids: Ids
  parse(json: string): unknown
}

/**
 * What goes out for a Task that has just been asked of a pharmacy we send to: the order itself where it is to be
 * fulfilled, the Task where something else is asked about an order that is there already. Who polls needs none.
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
  const deliveries = await Promise.all(asked.map((write) => sent(ports, write, writes)))
  return deliveries.flat()
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
  const holders = (await ports.store.registrations('destination'))
    .map(({ json }) => JSON.parse(json) as Destination)
    .filter(({ active, role, organization }) => {
      return active && role === 'pharmacy' && organization === resource.owner?.reference
    })
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
