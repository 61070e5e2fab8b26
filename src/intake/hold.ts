import type { Task } from 'fhir/r4'
import { patientOf } from '#core/compartment.ts'
import { type Identified, referenceTo, versioned } from '#core/resource.ts'

/**
 * A Task for the integrator's queue (I14): a code of an understood message is in none of its tables, so what was made
 * is kept and its delivery held. Says where to look, not what it says.
 */
export function holdTask(
  id: string,
  mapping: string,
  made: readonly Identified[],
  at: number,
): Identified<Task> {
  const [first] = made
  const patient = made.map(patientOf).find((each) => each !== undefined)
  const task: Task = {
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    code: { text: 'Unmapped code' },
    description: `Add the missing code to the tables of mapping ${mapping}, then replay the held deliveries`,
    authoredOn: new Date(at).toISOString(),
    ...(first ? { focus: { reference: referenceTo(first) } } : {}),
    ...(patient ? { for: { reference: patient } } : {}),
  }
  return versioned(task, id, 1, at)
}
