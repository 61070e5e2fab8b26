import type { CodeableConcept, MedicationRequest, Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { type Identified, type Reference, referenceTo } from '#core/resource.ts'
import { type CancelOutcomeCode, cancelOutcomeSystem, cancelOutcomes } from './cancel-outcomes.ts'
import { type CarePorts, changed } from './change.ts'
import { isHandedOver } from './dispense-facts.ts'
import { alertTask, closedTasks } from './holder-task.ts'
import { systemMayMove } from './order-change.ts'
import { dispensesOf, holderOf } from './order-file.ts'
import type { OrderStatus } from './order-states.ts'
import { hasEnded } from './task-states.ts'

type Order = Identified<MedicationRequest>
type Ports = Pick<CarePorts, 'store' | 'parse' | 'ids'>

interface NewCancel {
  task: Identified<Task>
  order: Order
  /** Other cancel Tasks of the order. */
  others: readonly Task[]
  at: number
}

const cancellable: readonly OrderStatus[] = ['active', 'on-hold', 'unknown']

/**
 * A cancel Task about to be made (R38, R40): why is coded and stands in `reasonCode`, it goes to who has the order, and
 * there is one at a time. An order that never left is cancelled with it, for there is nobody to ask. Throws Failure
 * `invalid` or `conflict`.
 */
export async function openCancel(
  ports: Ports,
  { task, order, others, at }: NewCancel,
): Promise<{ task: Identified<Task>; more: ResourceWrite[] }> {
  const reason = task.reasonCode ?? task.statusReason
  if (!(reason?.coding ?? []).some(({ code }) => code)) {
    throw refused('A cancellation needs a coded reason.', 'Task.reasonCode')
  }
  if (!cancellable.includes(order.status)) {
    const text =
      order.status === 'draft'
        ? 'This order is a draft: write it as cancelled.'
        : `This order is ${order.status} already.`
    throw refused(text, 'Task.focus')
  }
  if (others.some(isOpenAbort)) {
    throw new Failure('conflict', 'A cancellation of this order is under way already.')
  }
  const holder = await holderOf(ports, order)
  if (holder)
    return {
      task: { ...task, ...(reason ? { reasonCode: reason } : {}), owner: { reference: holder } },
      more: [],
    }
  const answered = {
    ...task,
    ...(reason ? { reasonCode: reason } : {}),
    status: 'completed' as const,
    businessStatus: outcomeConcept('confirmed'),
  }
  return {
    task: answered,
    more: await answeredCancel(ports, { task: answered, order, code: 'confirmed', at }),
  }
}

export function isOpenAbort(task: Task): boolean {
  const isAbort = (task.code?.coding ?? []).some(({ code }) => code === 'abort')
  return isAbort && task.status !== 'draft' && !hasEnded(task.status)
}

export interface CancelAnswer {
  task: Identified<Task>
  order: Order
  code: CancelOutcomeCode
  at: number
}

/**
 * What an answer to a cancellation changes beside its Task (R38): the order as the outcome says, where the table of
 * states lets the gateway take it there, and a Task for somebody to see to what did not go as asked. Only this order:
 * its siblings stand (R41).
 */
export async function answeredCancel(
  ports: Ports,
  { task, order, code, at }: CancelAnswer,
): Promise<ResourceWrite[]> {
  const outcome: { order?: OrderStatus; alert: boolean } = cancelOutcomes[code]
  const to = outcome.order && (await reachable(ports, order, outcome.order))
  const writes: ResourceWrite[] = []
  if (to) {
    const statusReason = task.reasonCode ?? outcomeConcept(code)
    const write = changed<Order>(order, { status: to, ...(to === 'active' ? {} : { statusReason }) }, at)
    writes.push(write)
    if (to === 'cancelled' || to === 'stopped')
      writes.push(...(await closedTasks(ports, write.resource as Order, at)))
  }
  // What ended otherwise in the meantime is what was wanted; what is still in force is not.
  const wanted = outcome.order === undefined || outcome.order === order.status || code === 'marked'
  const missed = !to && !wanted && cancellable.includes(order.status)
  if (outcome.alert || missed) {
    writes.push(
      alertTask(ports, {
        text: `Cancellation: ${code}`,
        description: 'The cancellation of an order did not end as asked: call who has the order',
        about: referenceTo(order),
        patient: patientOf(order),
        at,
      }),
    )
  }
  return writes
}

/** Where the gateway can take the order: what was begun to be dispensed is stopped, not cancelled (R4's own words). */
async function reachable(ports: Ports, order: Order, to: OrderStatus): Promise<OrderStatus | undefined> {
  if (order.status === to) return undefined
  const dispensed = (await dispensesOf(ports, order)).some(isHandedOver)
  if (systemMayMove(order.status, to, dispensed)) return to
  return to === 'cancelled' && systemMayMove(order.status, 'stopped', dispensed) ? 'stopped' : undefined
}

export function outcomeConcept(code: CancelOutcomeCode | 'no-answer' | 'reminded'): CodeableConcept {
  return { coding: [{ system: cancelOutcomeSystem, code }] }
}

/** Nobody has answered: the order's state is not known until somebody has asked (R39). */
export function unansweredOrder(order: Order, at: number): ResourceWrite | undefined {
  if (!systemMayMove(order.status, 'unknown', false)) return undefined
  return changed<Order>(order, { status: 'unknown', statusReason: outcomeConcept('no-answer') }, at)
}

/** Who to call about an order: telephone numbers of its holder. */
export async function phonesOf(
  { store, parse }: Ports,
  holder: Reference | undefined,
): Promise<NonNullable<Task['input']>> {
  const [type, id] = (holder ?? '').split('/')
  if (type !== 'Organization' || !id) return []
  const stored = await store.read(type, id)
  if (!stored || stored.deleted) return []
  const { telecom = [] } = parse(stored.json) as { telecom?: { system?: string; value?: string }[] }
  return telecom
    .filter(({ system, value }) => system === 'phone' && value)
    .map(({ value = '' }) => ({
      type: { text: 'telephone of who has the order' },
      valueContactPoint: { system: 'phone' as const, value },
    }))
}

function refused(text: string, expression: string): Failure {
  return new Failure('invalid', [{ code: 'business-rule', text, expression }])
}
