import type { MedicationRequest, Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { type CarePorts, changed } from './change.ts'
import { alertTask } from './holder-task.ts'
import { systemMayMove } from './order-change.ts'
import { holderOf } from './order-file.ts'
import type { OrderStatus } from './order-states.ts'
import { hasEnded } from './task-states.ts'

type Order = Identified<MedicationRequest>
type Ports = Pick<CarePorts, 'store' | 'parse' | 'ids'>

/** What the holder of an order is asked besides ending it: what the order becomes once it has done so. */
const holds: Readonly<Record<string, OrderStatus>> = { suspend: 'on-hold', resume: 'active' }

/** Where the order goes when this Task is completed; undefined for a Task that asks something else. */
export function heldStatusOf({ code }: Pick<Task, 'code'>): OrderStatus | undefined {
  return (code?.coding ?? []).map((coding) => holds[coding.code ?? '']).find((status) => status !== undefined)
}

interface NewHold {
  task: Identified<Task>
  order: Order
  /** Other Tasks of this kind of the order. */
  others: readonly Task[]
  at: number
}

/**
 * A Task to hold or to release an order: it goes to who has the order; an order that never left is held with it, for
 * there is nobody to ask. Throws Failure `invalid` where the order has no such state to come to, or `conflict`.
 */
export async function openHold(
  ports: Ports,
  { task, order, others, at }: NewHold,
): Promise<{ task: Identified<Task>; more: ResourceWrite[] }> {
  const to = heldStatusOf(task)
  if (!['active', 'on-hold'].includes(order.status)) {
    const text = `An order that is ${order.status} is neither held nor released.`
    throw new Failure('invalid', [{ code: 'business-rule', text, expression: 'Task.focus' }])
  }
  if (
    others.some((other) => heldStatusOf(other) === to && other.status !== 'draft' && !hasEnded(other.status))
  ) {
    throw new Failure('conflict', 'This is asked of the holder of this order already.')
  }
  const holder = await holderOf(ports, order)
  if (holder) return { task: { ...task, owner: { reference: holder } }, more: [] }
  const done = { ...task, status: 'completed' as const }
  return { task: done, more: answeredHold(ports, { task: done, order, at }) }
}

/**
 * What the holder's answer changes beside its Task: the order is held, or in force again, once the holder says so; what
 * it could not do a person has to see to.
 */
export function answeredHold(
  ports: Pick<CarePorts, 'ids'>,
  { task, order, at }: { task: Task; order: Order; at: number },
): ResourceWrite[] {
  const to = heldStatusOf(task)
  if (!to) return []
  if (task.status === 'completed') {
    if (order.status === to || !systemMayMove(order.status, to, false)) return []
    const { statusReason: _before, ...rest } = order
    const reason = to === 'on-hold' ? (task.reasonCode ?? task.statusReason) : undefined
    return [changed<Order>({ ...rest, ...(reason ? { statusReason: reason } : {}) }, { status: to }, at)].map(
      (write) => ({ ...write, previous: order }),
    )
  }
  if (task.status !== 'rejected' && task.status !== 'failed') return []
  return [
    alertTask(ports, {
      text: `Order not ${to === 'on-hold' ? 'held' : 'released'}`,
      description: 'Who has the order did not do what was asked: call them',
      about: referenceTo(order),
      patient: patientOf(order),
      at,
    }),
  ]
}
