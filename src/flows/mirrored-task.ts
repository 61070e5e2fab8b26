import type { Task } from 'fhir/r4'
import type { Identified, Resource } from '#core/resource.ts'
import { isOlder } from './source-time.ts'

/**
 * The next version of a Task that mirrors what another system keeps (an appointment, a referral): what the message tells
 * takes the place of what was told, what it leaves out stays, and so does what a Task keeps for its life
 * (care/task-change). An older message that comes later changes nothing.
 */
export function reviseMirror(standing: Identified, incoming: Identified): Resource {
  if (standing.resourceType !== 'Task' || incoming.resourceType !== 'Task') return standing
  if (isOlder(incoming, standing)) return standing
  const { statusReason: _reason, businessStatus: _status, ...kept } = standing
  return { ...kept, ...incoming, ...lifelong(standing), note: notesOf(standing, incoming) } as Resource
}

/**
 * The owner too: it is whom the message first named, and another one is told in `input`. And whose it is, though that
 * record was merged into another one since.
 */
function lifelong(standing: Task): Partial<Task> {
  const {
    for: patient,
    intent,
    code,
    authoredOn,
    focus,
    basedOn,
    groupIdentifier,
    requester,
    owner,
  } = standing
  return { for: patient, intent, code, authoredOn, focus, basedOn, groupIdentifier, requester, owner }
}

/** Comments add up, and one that is sent again is no other one. */
function notesOf(standing: Task, incoming: Task): Task['note'] {
  const told = standing.note ?? []
  const added = (incoming.note ?? []).filter(({ text }) => !told.some((note) => note.text === text))
  return told.length + added.length > 0 ? [...told, ...added] : undefined
}
