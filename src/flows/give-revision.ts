import type { Task } from 'fhir/r4'
import { hasEnded } from '#care/task-states.ts'
import type { Identified, Resource } from '#core/resource.ts'

/**
 * The next version of a give that is told again: what is to be given is what the new message says, whole; how far the
 * ward has come with it, and what its people noted, stays. An older message that comes later changes nothing, and neither
 * does any once it was given.
 */
export function reviseGive(standing: Identified, incoming: Identified): Resource {
  if (standing.resourceType !== 'Task' || incoming.resourceType !== 'Task') return standing
  if (hasEnded(standing.status) || toldAt(incoming) < toldAt(standing)) return standing
  const {
    contained: _medication,
    input: _input,
    reasonCode: _reason,
    priority: _priority,
    ...before
  } = standing
  const { status, authoredOn, requester, owner } = standing
  // The change is of now, whatever the sender's clock says: it would be older than what the ward did in between.
  const { lastModified: _at, ...next } = { ...before, ...incoming, status, authoredOn, requester, owner }
  return next as Resource
}

/** When its sender told it, which no work on the Task changes. */
function toldAt({ input }: Task): number {
  const told = (input ?? []).find(({ type }) => type.text === 'told at')
  return Date.parse(told?.valueDateTime ?? '')
}
