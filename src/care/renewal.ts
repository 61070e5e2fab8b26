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

/**
 * The same request once more: the numbers by which its sender will ask after it are kept with the Task that stands, and
 * what it says beyond that, so that who decides reads every word of it.
 */
export function joinedRenewal(open: Work, again: Work, at: number): ResourceWrite | undefined {
  const identifier = withMore(open.identifier, again.identifier, ({ system, value }) => `${system}|${value}`)
  const input = withMore(open.input, again.input, JSON.stringify)
  const note = withMore(open.note, again.note, ({ text }) => text)
  if (!identifier && !input && !note) return undefined
  const more = {
    ...(identifier ? { identifier } : {}),
    ...(input ? { input } : {}),
    ...(note ? { note } : {}),
  }
  return changed<Work>(open, more, at)
}

/** Both lists, each item once; undefined where the second adds nothing. */
function withMore<T>(standing: T[] | undefined, added: T[] | undefined, keyOf: (item: T) => string) {
  const known = new Set((standing ?? []).map(keyOf))
  const more = (added ?? []).filter((item) => !known.has(keyOf(item)))
  return more.length > 0 ? [...(standing ?? []), ...more] : undefined
}
