import type { Task } from 'fhir/r4'
import type { Identified, Resource } from '#core/resource.ts'
import { reviseMirror } from './mirrored-task.ts'
import type { Referral } from './referral.ts'
import { isOlder } from './source-time.ts'

/**
 * The next version of a referral. Its own system's word is taken as for any Task that mirrors; of an answer (RRI) only what
 * is the answerer's to say: whether it is taken, until when, under which number of theirs, what came of it and why.
 */
export function reviseReferral(standing: Identified, incoming: Identified, { type }: Referral): Resource {
  if (standing.resourceType !== 'Task' || incoming.resourceType !== 'Task') return standing
  const identifier = allNumbers(standing, incoming)
  const told = type === 'RRI' ? answerOf(standing, incoming) : incoming
  return reviseMirror(standing, { ...told, ...(identifier ? { identifier } : {}) })
}

/**
 * The first answer comes after what it answers, whatever the two systems' clocks say: an acceptance must not be taken for
 * old news because the clock that dated it is behind.
 */
function answerOf(standing: Identified<Task>, incoming: Identified<Task>): Identified<Task> {
  const { resourceType, id, status, intent, lastModified } = incoming
  const answer: Identified<Task> = { resourceType, id, status, intent }
  const said =
    standing.status === 'requested' && isOlder(incoming, standing) ? standing.lastModified : lastModified
  if (said !== undefined) answer.lastModified = said
  for (const element of ['businessStatus', 'restriction', 'note', 'output'] as const)
    if (incoming[element] !== undefined) Object.assign(answer, { [element]: incoming[element] })
  return answer
}

/** Each side names the referral in its own system's words: a number told before is no other one. */
function allNumbers(standing: Task, incoming: Task): Task['identifier'] {
  const known = standing.identifier ?? []
  const added = (incoming.identifier ?? []).filter(
    ({ value }) => !known.some((identifier) => identifier.value === value),
  )
  return known.length + added.length > 0 ? [...known, ...added] : undefined
}
