import type { Task } from 'fhir/r4'
import { reviewSystem, reviewTexts } from '#access/review.ts'
import type { ClientRegistration } from '#core/caller.ts'
import type { Issue } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Store } from '#core/ports.ts'
import { type Identified, type Reference, referenceTo, versioned } from '#core/resource.ts'
import { heldCode, type KeptFacts } from './held-message.ts'
import type { Made } from './made.ts'
import type { Message, Understood } from './understand.ts'

/** A number by which a sender names a patient. */
export type PatientNumber = Party['identifier']

/** All that is needed to take a message in that waits for its patient (I4). */
export interface UnknownFacts extends KeptFacts {
  unknown: PatientNumber[]
}

/** By which the integrator's queue finds its Tasks. */
export const unknownPatientCode = { system: heldCode.system, code: 'unknown-patient' }

/** Whether messages of this partner about nobody on record wait for a person; asked where somebody would be made. */
export async function queuesUnknown(
  store: Pick<Store, 'findRegistration'>,
  clientId: string,
): Promise<boolean> {
  const json = await store.findRegistration('client', clientId)
  return json !== undefined && (JSON.parse(json) as ClientRegistration).unknownPatient === 'queue'
}

/** The patients' numbers that lead to a record which would be made of this message. */
export function unknownNumbers(
  parties: readonly Party[],
  references: Readonly<Record<string, Reference>>,
  stubs: readonly Identified[],
): PatientNumber[] {
  const made = new Set(stubs.map(referenceTo))
  const unknown = parties.filter(({ type, slot }) => type === 'Patient' && made.has(references[slot] ?? '/'))
  return [...new Map(unknown.map(({ identifier }) => [numberKey(identifier), identifier])).values()]
}

export function numberKey({ system, value }: PatientNumber): string {
  return `${system}|${value}`
}

export interface UnknownPatient {
  id: string
  numbers: PatientNumber[]
  /** Numbers that are somebody's here, perhaps another's (intake/patient-identity). */
  doubts: readonly { number: PatientNumber; issues: readonly Issue[] }[]
  /** Milliseconds since the epoch. */
  at: number
}

/** Nobody is made and nothing is mapped of a message of which nobody knows whom it is about: it waits, whole, for a person. */
export function unknownPatientMade(
  { flow, caller }: Pick<Message, 'flow' | 'caller'>,
  { warnings }: Pick<Understood, 'warnings'>,
  { id, numbers, doubts, at }: UnknownPatient,
): Made {
  const organization = caller.actors.find((actor) => actor.startsWith('Organization/'))
  const resource = unknownPatientTask(id, organization, at)
  return {
    parties: {},
    stubs: [],
    followed: {
      results: [{ resource, version: 1, updated: at }],
      writes: [],
      nonces: [],
      deliveries: [],
      places: [],
    },
    mapped: [resource],
    unchanged: [],
    warnings: [
      ...warnings,
      ...(numbers.length > 0 ? [unknownPatientWarning(flow)] : []),
      ...doubts.flatMap(({ issues }) => issues.map(doubtWarning)),
    ],
    unmapped: [],
    unknown: { id, numbers: [...numbers, ...doubts.map(({ number }) => number)] },
    references: {},
    drafts: [],
    allowed: [],
    fields: undefined,
    deliveries: [],
  }
}

/** Says that a message waits, not about whom: work for the integrator, and a privacy officer may end it. */
function unknownPatientTask(id: string, organization: string | undefined, at: number): Identified<Task> {
  const when = new Date(at).toISOString()
  const task: Task = {
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    code: { coding: [unknownPatientCode, { system: reviewSystem, code: 'unknown-patient' }] },
    description: reviewTexts['unknown-patient'],
    authoredOn: when,
    lastModified: when,
    ...(organization ? { requester: { reference: organization } } : {}),
  }
  return versioned(task, id, 1, at)
}

function unknownPatientWarning({ door }: Pick<Flow, 'door'>): Issue {
  return {
    severity: 'warning',
    code: 'not-found',
    text: 'No patient here has this number: a person will say whom it is about, and it goes on by itself',
    expression: door.kind === 'hl7v2' ? 'PID-3' : 'patient.identifier',
  }
}

function doubtWarning(issue: Issue): Issue {
  return { ...issue, severity: 'warning', text: `${issue.text}; a person will say whom it is about` }
}
