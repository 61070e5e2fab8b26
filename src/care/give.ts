import type { Identifier, MedicationAdministration, Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { type CarePorts, type Change, type Consequences, changed, writeOf } from './change.ts'
import { administrationsOf, findOrder, tasksOf } from './order-file.ts'
import { hasEnded, type TaskStatus } from './task-states.ts'

type Administration = Identified<MedicationAdministration>
type Give = Identified<Task>

/** Order and number of a give on it (`<order id>/<RXG-1>`), carried by the Task to give and by what was given. */
const giveSystem = 'https://postern.health/fhir/sid/give'

/** How a Task to give goes on, by where it stands, once it is known that nothing was given; the last is its end. */
const notGiven: Partial<Record<TaskStatus, readonly TaskStatus[]>> = {
  requested: ['rejected'],
  received: ['rejected'],
  accepted: ['in-progress', 'failed'],
  ready: ['in-progress', 'failed'],
  'in-progress': ['failed'],
  'on-hold': ['in-progress', 'failed'],
}

/**
 * What was given ends the Task to give it, and so does what was not: found on the order that the administration names, by
 * the number that both carry. All else stands; what names no give ends none.
 */
export async function administrationConsequences(ports: CarePorts, change: Change): Promise<Consequences> {
  const result = writeOf(change)
  const administration = change.resource as Administration
  const numbers = givesOf(administration)
  const order = numbers.length > 0 ? await findOrder(ports, administration.request?.reference) : undefined
  // Who made it is a party of that order (access/relation).
  if (!order || patientOf(order) !== patientOf(administration)) return { result, writes: [result] }
  const gives = (await tasksOf(ports, order, 'work')).filter((task) => givesOf(task).some(isOneOf(numbers)))
  const writes = gives.flatMap((task) => endedBy(task, administration, change.at))
  return { result, writes: [result, ...writes] }
}

/** The further versions of a new Task to give what was given already: messages of two systems have no order. */
export async function givenAlready(ports: CarePorts, task: Give, at: number): Promise<ResourceWrite[]> {
  const numbers = givesOf(task)
  const order = numbers.length > 0 ? await findOrder(ports, task.focus?.reference) : undefined
  if (!order || patientOf(order) !== patientOf(task)) return []
  const given = (await administrationsOf(ports, order)).find((each) => givesOf(each).some(isOneOf(numbers)))
  return given ? endedBy(task, given, at) : []
}

function givesOf({ identifier }: { identifier?: Identifier[] }): string[] {
  return (identifier ?? []).flatMap(({ system, value }) => (system === giveSystem && value ? [value] : []))
}

function isOneOf(numbers: readonly string[]): (number: string) => boolean {
  return (number) => numbers.includes(number)
}

function endedBy(task: Give, administration: Administration, at: number): ResourceWrite[] {
  if (hasEnded(task.status) || task.status === 'draft') return []
  const { status } = administration
  const isDone = status === 'completed' || status === 'stopped'
  const steps = isDone ? (['completed'] as const) : status === 'not-done' ? (notGiven[task.status] ?? []) : []
  const lastModified = new Date(at).toISOString()
  const [statusReason] = administration.statusReason ?? []
  const words = {
    businessStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/medication-admin-status', code: status }],
    },
    ...(statusReason && !isDone ? { statusReason } : {}),
    output: [
      ...(task.output ?? []),
      { type: { text: 'administration' }, valueReference: { reference: referenceTo(administration) } },
    ],
  }
  let current = task
  return steps.map((next, index) => {
    const isLast = index === steps.length - 1
    const write = changed<Give>(current, { status: next, lastModified, ...(isLast ? words : {}) }, at)
    current = write.resource as Give
    return write
  })
}
