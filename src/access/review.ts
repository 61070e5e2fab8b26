import type { Task } from 'fhir/r4'
import { type Identified, type Reference, type Resource, versioned } from '#core/resource.ts'

/** What a privacy officer is asked to look at, by code of `reviewSystem`. */
export const reviewTexts = {
  'consent-not-computable':
    'This consent cannot be carried out as written. It is taken as a refusal of everything until somebody reads it.',
  'consent-to-confirm':
    'A message tells of a consent that would change what is refused, or of one that is not known here. Read it and decide.',
  'unmatched-request':
    'A request names no order that is here. Read the message, find the patient and the order, ask there for what it asks, and end this Task with what became of it.',
  'unknown-patient':
    'A message is about a patient whose number nobody has here. Say whom it is about with postern patients, and it goes on by itself; ended, it is dropped.',
  'break-glass': 'Somebody broke the glass to this record. Read the reason in the audit log and sign it off.',
} as const

export type ReviewKind = keyof typeof reviewTexts

export const reviewSystem = 'https://postern.health/fhir/CodeSystem/review'

export interface NewReview {
  id: string
  kind: ReviewKind
  patient: Reference
  focus: Reference
  requester?: Reference
  /** Milliseconds since the epoch. */
  at: number
}

/** The first version of a Task that waits in the privacy officers' queue until one signs it off. */
export function reviewTask({ id, kind, patient, focus, requester, at }: NewReview): Identified<Task> {
  const when = new Date(at).toISOString()
  const task: Task = {
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    code: { coding: [{ system: reviewSystem, code: kind }] },
    description: reviewTexts[kind],
    focus: { reference: focus },
    for: { reference: patient },
    authoredOn: when,
    lastModified: when,
    ...(requester ? { requester: { reference: requester } } : {}),
  }
  return versioned(task, id, 1, at)
}

export function isReview(resource: Resource): boolean {
  if (resource.resourceType !== 'Task') return false
  return (resource.code?.coding ?? []).some(({ system }) => system === reviewSystem)
}
