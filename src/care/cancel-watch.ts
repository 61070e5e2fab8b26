import type { MedicationRequest, Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { type Identified, type Reference, referenceTo } from '#core/resource.ts'
import { isOpenAbort, outcomeConcept, phonesOf, unansweredOrder } from './cancel.ts'
import { type CarePorts, changed } from './change.ts'
import { alertTask } from './holder-task.ts'
import { findOrder } from './order-file.ts'

/** How long a cancellation is waited for; milliseconds since it was asked. */
export interface CancelPatience {
  remindMs: number
  giveUpMs: number
}

/** Surescripts' published practice: a reminder after a day, unknown after two. */
const cancelPatience: CancelPatience = { remindMs: 24 * 3_600_000, giveUpMs: 48 * 3_600_000 }

export type CancelStep = 'wait' | 'remind' | 'give-up'

/**
 * What is to be done about a cancellation that nobody has answered yet (R39). What was done stands in businessStatus, so
 * that nothing is done twice; an answer such as `marked` there is an answer.
 */
export function cancelStep(task: Task, at: number, patience: CancelPatience = cancelPatience): CancelStep {
  if (!isOpenAbort(task) || !task.authoredOn) return 'wait'
  const said = task.businessStatus?.coding?.[0]?.code
  const age = at - Date.parse(task.authoredOn)
  if (said !== undefined && said !== 'reminded') return 'wait'
  if (age >= patience.giveUpMs) return 'give-up'
  return said === undefined && age >= patience.remindMs ? 'remind' : 'wait'
}

/**
 * What the silence of the holder changes. A reminder is a new version of the Task, which whoever watches it sees; in the
 * end the order's state is `unknown` and a person is told whom to call. The Task stays open: a late answer counts.
 */
export async function watchedCancel(
  ports: Pick<CarePorts, 'store' | 'parse' | 'ids'>,
  task: Identified<Task>,
  at: number,
  patience?: CancelPatience,
): Promise<ResourceWrite[]> {
  const step = cancelStep(task, at, patience)
  if (step === 'wait') return []
  const businessStatus = outcomeConcept(step === 'remind' ? 'reminded' : 'no-answer')
  // lastModified stays: it orders what the holder says, and we are not the holder.
  const noted = changed<Identified<Task>>(task, { businessStatus, priority: 'urgent' }, at)
  if (step === 'remind') return [noted]
  const order = await findOrder(ports, task.focus?.reference)
  const unknown = order && unansweredOrder(order as Identified<MedicationRequest>, at)
  const alert = alertTask(ports, {
    text: 'Cancellation: no-answer',
    description: 'A cancellation was not answered: call who has the order',
    about: order ? referenceTo(order) : referenceTo(task),
    patient: patientOf(task),
    at,
    input: await phonesOf(ports, task.owner?.reference as Reference | undefined),
  })
  return [noted, ...(unknown ? [unknown] : []), alert]
}
