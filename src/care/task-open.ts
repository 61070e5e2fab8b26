import type { MedicationRequest, Task } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Identified } from '#core/resource.ts'
import { openCancel } from './cancel.ts'
import { type CarePorts, type Change, type Consequences, writeOf } from './change.ts'
import { givenAlready } from './give.ts'
import { openHold } from './hold.ts'
import { mayKnowOrder } from './known-order.ts'
import { clinic } from './mover.ts'
import { findOrder, seenNonce, tasksOf, wasSent } from './order-file.ts'
import { openRenewalOf } from './renewal.ts'
import { renewalDifferences } from './renewal-differences.ts'
import {
  hasEnded,
  requireTaskMove,
  type TaskFacts,
  type TaskKind,
  type TaskMover,
  type TaskStatus,
} from './task-states.ts'

type Order = Identified<MedicationRequest>
type Work = Identified<Task>

/**
 * A Task as it is asked: what is to be fulfilled or cancelled is an order of the same patient that the caller knows.
 * Throws Failure `invalid`, or `conflict` where the same is asked already.
 */
export async function openedTask(
  ports: CarePorts,
  change: Change,
  from: 'new' | TaskStatus,
  { kind, who }: { kind: TaskKind; who: TaskMover },
): Promise<Consequences> {
  const task = withRequester(change.resource as Work, change.caller)
  requireTaskMove(kind, { from, to: task.status }, who, taskFactsOf(task, true))
  // It would count as the clinic's word that the patient's answers are not waited for (R32).
  if (kind === 'renewal' && task.statusReason && !clinic.includes(who.mover))
    throw refused('Say in reasonCode why you ask; statusReason is the clinic’s.', 'Task.statusReason')
  if (kind === 'renewal' && task.status !== 'draft' && (await openRenewalOf(ports, task))) {
    throw new Failure('conflict', 'A renewal of this order is asked for already.')
  }
  if (kind === 'work' && task.status !== 'draft')
    return withMore(only(change, task), await givenAlready(ports, task, change.at))
  if (kind === 'renewal' && task.status !== 'draft')
    return withMore(only(change, task), await renewalDifferences(ports, task, change.at))
  if (task.status === 'draft' || (kind !== 'fulfil' && kind !== 'cancel')) return only(change, task)
  const order = await requireOrder(ports, task, change.caller)
  const others = (await tasksOf(ports, order, kind)).filter(({ id }) => id !== task.id)
  const nonces = [seenNonce(`${kind} Tasks`, order, others, change.at)]
  if (kind === 'fulfil') {
    requireFulfillable(order, others)
    return { ...only(change, task), nonces }
  }
  const open = isAbort(task) ? openCancel : openHold
  const asked = await open(ports, { task, order, others, at: change.at })
  const result = writeOf({ ...change, resource: asked.task })
  return { result, writes: [result, ...asked.more], nonces }
}

function withMore(opened: Consequences, more: readonly ResourceWrite[]): Consequences {
  return { ...opened, writes: [...opened.writes, ...more] }
}

/** Who asks may take back what was asked, so it is said who that is. */
function withRequester(task: Work, { actors }: Caller): Work {
  const [actor] = actors
  return task.requester || !actor ? task : { ...task, requester: { reference: actor } }
}

function only(change: Change, task: Work): Consequences {
  const result = writeOf({ ...change, resource: task })
  return { result, writes: [result] }
}

export function isAbort({ code }: Task): boolean {
  return (code?.coding ?? []).some((coding) => coding.code === 'abort')
}

async function requireOrder(ports: CarePorts, task: Work, caller: Caller): Promise<Order> {
  const order = await findOrder(ports, task.focus?.reference)
  const known = order && (await mayKnowOrder(ports, order, caller))
  // R55: of another patient, hidden and absent are one answer.
  if (!order || !known || patientOf(order) === undefined || patientOf(order) !== patientOf(task)) {
    throw refused('focus is no order of this patient.', 'Task.focus')
  }
  return order
}

/** Two pharmacies, or one asked twice, would dispense it twice. */
function requireFulfillable(order: Order, others: readonly Work[]): void {
  const { status, reportedBoolean, reportedReference } = order
  if (status !== 'active') throw refused(`An order that is ${status} is not to be fulfilled.`, 'Task.focus')
  // R9: what was only reported is nobody's to dispense.
  if (reportedBoolean || reportedReference)
    throw refused('A reported order is not to be fulfilled.', 'Task.focus')
  if (others.some((other) => wasSent(other) && !hasEnded(other.status))) {
    throw new Failure('conflict', 'Somebody has this order to fulfil already: end that Task first.')
  }
}

/** What the table's guards ask of a Task as it would be stored. */
export function taskFactsOf({ statusReason, reasonCode, output, status }: Task, owner: boolean): TaskFacts {
  const waived = (statusReason?.coding ?? []).length > 0 || statusReason?.text !== undefined
  const isNew = status === 'draft' || status === 'requested'
  return {
    reason: waived || (isNew && reasonCode !== undefined),
    output: (output ?? []).length > 0,
    answered: waived,
    owner,
  }
}

function refused(text: string, expression: string): Failure {
  return new Failure('invalid', [{ code: 'business-rule', text, expression }])
}
