import type { Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { type CarePorts, changed } from './change.ts'
import { alertTask } from './holder-task.ts'
import { findOrder, holderOf } from './order-file.ts'
import { hasAnswered } from './renewal-answered.ts'
import { answerConcept, refusalFor } from './renewal-answers.ts'
import { type RenewalPolicy, renewalPolicyFor } from './renewal-policy.ts'
import { hasEnded } from './task-states.ts'

type Work = Identified<Task>
type Ports = Pick<CarePorts, 'store' | 'parse' | 'ids'>

/**
 * What time does to a request for renewal (R32, R33): it is ready once the patient has answered; the clinic is reminded of
 * it; and a pharmacy that nobody has answered is, before its own deadline, with a Task for a person beside it.
 */
export async function watchedRenewal(ports: Ports, task: Work, at: number): Promise<ResourceWrite[]> {
  if (task.status === 'draft' || hasEnded(task.status) || !task.authoredOn) return []
  const waits = task.status === 'requested' || task.status === 'received'
  if (waits && (await hasAnswered(ports, task))) return madeReady(task, at)
  const order = await findOrder(ports, task.focus?.reference)
  const requester = task.requester?.reference
  const isHolder =
    order !== undefined && requester !== undefined && (await holderOf(ports, order)) === requester
  const policy = await renewalPolicyFor(ports, requester, isHolder)
  const age = at - Date.parse(task.authoredOn)
  const said = task.businessStatus?.coding?.[0]?.code
  // An answer, or a word of the clinic's own, is not written over.
  if (said !== undefined && said !== 'reminded') return []
  if (policy.answerMs !== undefined && age >= policy.answerMs) return unanswered(ports, task, policy, at)
  if (said !== undefined || age < policy.remindMs) return []
  return [changed<Work>(task, { businessStatus: answerConcept('reminded'), priority: 'urgent' }, at)]
}

function madeReady(task: Work, at: number): ResourceWrite[] {
  const lastModified = new Date(at).toISOString()
  if (task.status === 'received') return [changed<Work>(task, { status: 'ready', lastModified }, at)]
  const received = changed<Work>(task, { status: 'received', lastModified }, at)
  return [received, changed<Work>(received.resource as Work, { status: 'ready', lastModified }, at)]
}

/** Whom nobody has begun with may be refused; what somebody works on is only said to be under way. */
function unanswered(
  ports: Ports,
  task: Work,
  { unanswered: wanted }: RenewalPolicy,
  at: number,
): ResourceWrite[] {
  const lastModified = new Date(at).toISOString()
  const begun = task.status !== 'requested' && task.status !== 'received'
  const answer = begun ? 'pending' : wanted
  const type = answerConcept(answer)
  const output = task.output ?? []
  // The patient hears of it from the pharmacy: what helps is to ask the clinic.
  const statusReason = refusalFor('NEEDAPMT')
  const words =
    answer === 'denied'
      ? {
          status: 'rejected' as const,
          statusReason,
          output: [...output, { type, valueCodeableConcept: statusReason }],
        }
      : { output: [...output, { type, valueDateTime: lastModified }] }
  const alert = alertTask(ports, {
    text: `Renewal: ${answer}`,
    description: 'A request for renewal was not answered in time, and the pharmacy was told so',
    about: referenceTo(task),
    patient: patientOf(task),
    at,
  })
  return [
    changed<Work>(task, { ...words, businessStatus: type, priority: 'urgent', lastModified }, at),
    alert,
  ]
}
