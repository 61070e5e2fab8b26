import type { Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { type Identified, referenceTo, versioned } from '#core/resource.ts'
import { type HeldFacts, heldBinary, heldCode } from './held-message.ts'

/**
 * What is kept of a message with a code that is in none of its tables (I14): a Task for the integrator's queue, and
 * under the same id the message itself, for when somebody has answered (intake/resume).
 */
export function heldWrites(id: string, body: Uint8Array, facts: HeldFacts): ResourceWrite[] {
  const patient = facts.drafts.map(patientOf).find((each) => each !== undefined)
  const task = holdTask(id, facts, patient)
  const binary = heldBinary(id, body, facts, patient)
  return [task, binary].map((resource) => ({
    resource: versioned(resource, id, 1, facts.at),
    version: 1,
    updated: facts.at,
  }))
}

/** Says where to look, not what it says. */
function holdTask(
  id: string,
  { drafts, codes, flow, caller, at }: HeldFacts,
  patient: string | undefined,
): Identified<Task> {
  const [first] = drafts
  const tables = [...new Set(codes.map(({ table }) => table))].join(', ')
  const authoredOn = new Date(at).toISOString()
  return {
    resourceType: 'Task',
    id,
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    code: { coding: [heldCode], text: 'Unmapped code' },
    description: `A message (${flow}) of ${caller.clientId} has a code that is not in table ${tables}: answer it with postern codes, and what is held goes on by itself`,
    authoredOn,
    lastModified: authoredOn,
    ...(first ? { focus: { reference: referenceTo(first) } } : {}),
    ...(patient ? { for: { reference: patient } } : {}),
  }
}
