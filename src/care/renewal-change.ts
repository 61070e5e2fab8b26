import type { Task } from 'fhir/r4'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Identified } from '#core/resource.ts'
import type { CarePorts } from './change.ts'
import { findOrder } from './order-file.ts'
import {
  answerConcept,
  type GivenAnswer,
  givenAnswers,
  isGivenAnswer,
  refusalConcept,
  refusalOf,
  renewalAnswerOf,
  renewalAnswerSystem,
} from './renewal-answers.ts'
import { answerTo } from './renewal-approval.ts'

type Work = Identified<Task>
type Ports = Pick<CarePorts, 'store' | 'parse'>

/**
 * A request for renewal as its update is to be stored, with the answer that it says (R36): denied where it ends with a
 * coded reason, approved or replaced where its output is the order that renews the one it is about, pending where
 * businessStatus says so. Nothing else is an answer. Throws Failure `invalid`.
 */
export async function answeredRenewal(ports: Ports, before: Work, task: Work, at: number): Promise<Work> {
  const given = givenAnswers(before)
  const output = [...given, ...(task.output ?? []).filter((each) => !isGivenAnswer(each))]
  const kept: Work = { ...task, ...(output.length > 0 ? { output } : {}) }
  requireOwnWords(before, task)
  if (task.status === 'rejected') return denied(kept)
  if (task.status === 'completed') return completed(ports, kept)
  if (renewalAnswerOf(task) !== 'pending' || renewalAnswerOf(before) === 'pending') return kept
  return withAnswer(kept, {
    type: answerConcept('pending'),
    valueDateTime: new Date(at).toISOString(),
  })
}

/** What comes of a request is worked out from what was done; only that it is still open is for the clinic to say. */
function requireOwnWords(before: Work, task: Work): void {
  const said = ({ businessStatus }: Work) =>
    businessStatus?.coding?.find(({ system }) => system === renewalAnswerSystem)?.code
  const code = said(task)
  if (code === undefined || code === 'pending' || code === said(before)) return
  const text = 'This is answered by what is done: sign the order that renews it, or reject it with a reason.'
  throw refused(text, 'Task.businessStatus')
}

function withAnswer(task: Work, answer: GivenAnswer): Work {
  return { ...task, businessStatus: answer.type, output: [...(task.output ?? []), answer] }
}

function denied(task: Work): Work {
  const refusal = refusalOf(task.statusReason ?? {})
  if (!refusal) {
    const text = 'A refusal says why in a code of v3 ActReason (ALREADYRX, NEEDAPMT, TOOEARLY …).'
    throw refused(text, 'Task.statusReason')
  }
  const statusReason = refusalConcept(task.statusReason ?? {}, refusal)
  return withAnswer(
    { ...task, statusReason },
    { type: answerConcept('denied'), valueCodeableConcept: statusReason },
  )
}

/** Done elsewhere, or refused after it was begun. */
async function completed(ports: Ports, task: Work): Promise<Work> {
  const references = (task.output ?? [])
    .filter((each) => !isGivenAnswer(each))
    .flatMap(({ valueReference }) => valueReference?.reference ?? [])
  if (references.length === 0) return denied(task)
  const [reference] = references
  const order = await findOrder(ports, reference)
  const prior = await findOrder(ports, task.focus?.reference)
  const renews =
    order?.status === 'active' &&
    patientOf(order) === patientOf(task) &&
    order.priorPrescription?.reference === task.focus?.reference
  if (!order || !prior || !renews) {
    throw refused('The output is no order in force that renews the one in focus.', 'Task.output')
  }
  const { answer, statusReason } = await answerTo(ports, { task, prior, order })
  const type = answerConcept(answer)
  const { statusReason: _waiver, ...rest } = task
  return withAnswer(
    { ...rest, ...(statusReason ? { statusReason } : {}) },
    { type, valueReference: { reference: reference ?? '' } },
  )
}

function refused(text: string, expression: string): Failure {
  return new Failure('invalid', [{ code: 'business-rule', text, expression }])
}
