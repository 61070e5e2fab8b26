import type { Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import type { Identified } from '#core/resource.ts'
import { type CarePorts, changed } from './change.ts'
import { findOrder, tasksOf } from './order-file.ts'
import { hasEnded } from './task-states.ts'

type Work = Identified<Task>

/** The renewal that is asked for already of the order that a Task names, by whatever channel (R30); undefined for none. */
export async function openRenewalOf(
  ports: Pick<CarePorts, 'store' | 'parse'>,
  { id, focus }: Pick<Work, 'id' | 'focus'>,
): Promise<Work | undefined> {
  const order = await findOrder(ports, focus?.reference)
  const tasks = order ? await tasksOf(ports, order, 'renewal') : []
  return tasks.find((task) => task.id !== id && task.status !== 'draft' && !hasEnded(task.status))
}

/** The same request once more: the numbers by which its sender will ask after it are kept with the Task that stands. */
export function joinedRenewal(open: Work, again: Work, at: number): ResourceWrite | undefined {
  const known = new Set((open.identifier ?? []).map(({ system, value }) => `${system}|${value}`))
  const more = (again.identifier ?? []).filter(({ system, value }) => !known.has(`${system}|${value}`))
  if (more.length === 0) return undefined
  return changed<Work>(open, { identifier: [...(open.identifier ?? []), ...more] }, at)
}
