import type { CodeableConcept, MedicationRequest, Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { type CarePorts, changed } from './change.ts'
import { findOrder, holderOf } from './order-file.ts'
import { openRenewalOf } from './renewal.ts'
import { hasAnswered } from './renewal-answered.ts'
import { answerConcept, type RenewalAnswer, refusalFor, wasAnswered } from './renewal-answers.ts'
import { differencesBetween, inputOf } from './renewal-differences.ts'
import { renewalPolicyFor } from './renewal-policy.ts'
import { sameValue } from './same-value.ts'
import { taskFactsOf } from './task-open.ts'
import type { TaskStatus } from './task-states.ts'

type Order = Identified<MedicationRequest>
type Work = Identified<Task>
type Ports = Pick<CarePorts, 'store' | 'parse'>

/** The way of a request to its end, of which a signature goes what is left. */
const way: readonly TaskStatus[] = ['requested', 'received', 'ready', 'in-progress', 'completed']

/**
 * What becomes of a request for renewal when its renewal is signed (R37): it is answered and done, in the commit of the
 * signature. Nothing where nobody asked. Throws Failure `invalid`, code `not-answered`, while the patient's new answers
 * are waited for (R32).
 */
export async function approvedRenewal(ports: Ports, order: Order, at: number): Promise<ResourceWrite[]> {
  const prior = await findOrder(ports, order.priorPrescription?.reference)
  if (!prior || patientOf(prior) !== patientOf(order)) return []
  const task = await openRenewalOf(ports, { id: '', focus: { reference: referenceTo(prior) } })
  if (!task) return []
  await requireActionable(ports, task)
  const { answer, statusReason } = await answerTo(ports, { task, prior, order })
  const given = { type: answerConcept(answer), valueReference: { reference: referenceTo(order) } }
  // A waiver was the reason of a step; what ends the Task has its own, or none.
  const { statusReason: _waiver, ...rest } = task
  const lastModified = new Date(at).toISOString()
  const ending = {
    businessStatus: given.type,
    output: [...(task.output ?? []), given],
    ...(statusReason ? { statusReason } : {}),
  }
  let current: Work = task
  return stepsFrom(task.status).map((status) => {
    const base = status === 'completed' ? { ...rest, meta: current.meta ?? {} } : current
    const more = status === 'completed' ? ending : {}
    const write = changed<Work>(base as Work, { status, lastModified, ...more }, at)
    const moved = { ...write, previous: current }
    current = write.resource as Work
    return moved
  })
}

function stepsFrom(status: TaskStatus): TaskStatus[] {
  // Taken on or put off, it goes back to work first.
  if (status === 'accepted' || status === 'on-hold') return ['in-progress', 'completed']
  return way.slice(way.indexOf(status) + 1)
}

/** What is ready or worked on has passed here before. */
async function requireActionable(ports: Ports, task: Work): Promise<void> {
  if (['ready', 'in-progress', 'on-hold'].includes(task.status)) return
  if (taskFactsOf(task, true).answered || (await hasAnswered(ports, task))) return
  throw new Failure('invalid', [
    {
      code: 'business-rule',
      detail: 'not-answered',
      text: 'The patient has not answered since this renewal was asked for; wait for it, or accept its Task with a statusReason.',
    },
  ])
}

interface Renewed {
  task: Work
  prior: Order
  order: Order
}

/**
 * What the order that renews another says to who asked for it: as asked; as asked but for the number of repeats; or
 * something else. An order for another pharmacy, or after a `pending` that the partner takes for the last word, is none
 * of these: what was asked for is refused, for there is a new prescription.
 */
export async function answerTo(
  ports: Ports,
  { task, prior, order }: Renewed,
): Promise<{ answer: RenewalAnswer; statusReason?: CodeableConcept }> {
  const requester = task.requester?.reference
  const isHolder = requester !== undefined && (await holderOf(ports, prior)) === requester
  const { pendingIsFinal } = await renewalPolicyFor(ports, requester, isHolder)
  const isElsewhere = isHolder && order.dispenseRequest?.performer?.reference !== requester
  if (isElsewhere || (pendingIsFinal && wasAnswered(task, 'pending')))
    return { answer: 'denied', statusReason: refusalFor('ALREADYRX') }
  if (differencesBetween(task, order).length > 0 || !isSameTreatment(prior, order))
    return { answer: 'replaced' }
  const asked =
    inputOf(task, 'refills asked for')?.valueInteger ?? prior.dispenseRequest?.numberOfRepeatsAllowed ?? 0
  const granted = order.dispenseRequest?.numberOfRepeatsAllowed ?? 0
  return { answer: asked === granted ? 'approved' : 'approved-with-changes' }
}

function isSameTreatment(prior: Order, order: Order): boolean {
  const partsOf = (each: Order) => [
    each.medicationCodeableConcept,
    each.contained,
    each.dosageInstruction,
    each.substitution,
    each.dispenseRequest?.quantity,
    each.dispenseRequest?.expectedSupplyDuration,
  ]
  const others = partsOf(order)
  return partsOf(prior).every((part, index) => sameValue(part, others[index]))
}
