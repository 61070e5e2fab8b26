import type { QuestionnaireResponse, Task } from 'fhir/r4'
import { patientOf } from '#core/compartment.ts'
import type { CarePorts } from './change.ts'
import { all } from './order-file.ts'

/** Answers that their author has finished. */
const finished: readonly QuestionnaireResponse['status'][] = ['completed', 'amended']

/** R32: the patient has answered a questionnaire since the renewal was asked for. */
export async function hasAnswered(
  ports: Pick<CarePorts, 'parse'> & { store: Pick<CarePorts['store'], 'search'> },
  task: Task,
): Promise<boolean> {
  const patient = patientOf(task)
  if (!patient || !task.authoredOn) return false
  const found = await all<QuestionnaireResponse>(
    ports,
    'QuestionnaireResponse',
    { kind: 'token', param: 'patient', values: [patient] },
    { kind: 'date', param: 'authored', windows: [{ lowFrom: Date.parse(task.authoredOn) }] },
  )
  return found.some(({ status }) => finished.includes(status))
}
