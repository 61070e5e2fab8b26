import type { Task } from 'fhir/r4'
import { reviewSystem, reviewTexts } from '#access/review.ts'
import type { Caller } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import { type Identified, type Reference, versioned } from '#core/resource.ts'
import { base64 } from '#formats/base64.ts'
import type { Made } from './made.ts'

export interface Unmatched {
  id: string
  /** The message as it came. */
  body: Uint8Array
  caller: Caller
  /** Whom it names, where that is somebody on record. */
  patient: Reference | undefined
  /** Milliseconds since the epoch. */
  at: number
}

/** Nothing is mapped and nobody is made: neither the message's patient nor what it asks for is known well enough. */
export function waiting(unmatched: Unmatched, warnings: Issue[]): Made {
  const { patient, at } = unmatched
  const resource = unmatchedTask(unmatched)
  const results = [{ resource, version: 1, updated: at }]
  return {
    parties: patient ? { subject: patient } : {},
    stubs: [],
    followed: { results, writes: [], nonces: [], deliveries: [], places: [] },
    mapped: [resource],
    unchanged: [],
    warnings,
    unmapped: [],
    references: {},
    drafts: [],
    allowed: [],
    fields: undefined,
    deliveries: [],
  }
}

/**
 * A request about an order that is not here, or may be one of several, waits for a person with the whole message
 * (prescriptions R31): nothing is guessed, and neither patient nor order is made of it. Whose patient is on record, their
 * clinic's people find it among their Tasks; of a patient whom nobody knows only an office may read, so it stands in
 * the privacy officers' queue. Its sender sees what becomes of it, not what it held.
 */
function unmatchedTask({ id, body, caller, patient, at }: Unmatched): Identified<Task> {
  const when = new Date(at).toISOString()
  const organization = caller.actors.find((actor) => actor.startsWith('Organization/'))
  const task: Task = {
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    code: patient
      ? { text: 'Unmatched request' }
      : { coding: [{ system: reviewSystem, code: 'unmatched-request' }] },
    description: reviewTexts['unmatched-request'],
    ...(patient ? { for: { reference: patient } } : {}),
    authoredOn: when,
    lastModified: when,
    ...(organization ? { requester: { reference: organization } } : {}),
    input: [
      {
        type: { text: 'message as received' },
        valueAttachment: { contentType: 'application/hl7-v2', data: base64(body), creation: when },
      },
    ],
  }
  return versioned(task, id, 1, at)
}

/** What tells its sender so, and where: nothing but the order is missing, so it is taken in all the same. */
export function unmatchedWarning(cause: unknown): Issue | undefined {
  if (!(cause instanceof Failure)) return undefined
  const [issue] = cause.issues
  const isUnmatched = cause.kind === 'not-found' || issue?.code === 'multiple-matches'
  if (!isUnmatched) return undefined
  return {
    severity: 'warning',
    code: 'not-found',
    text: 'No order of this patient was found for this: a person will look for it, nothing else was done',
    ...(issue?.expression ? { expression: issue.expression } : {}),
  }
}
