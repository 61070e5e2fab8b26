import type { AuditEvent } from 'fhir/r4'
import { markReported } from '#audit/reported.ts'
import { patientOf, patientOfEvent } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import type { Reference, Resource } from '#core/resource.ts'
import { base64 } from '#formats/base64.ts'
import { stringifyJson } from '#formats/json.ts'
import type { Answer, Call } from './call.ts'
import { requireValid } from './incoming.ts'
import { writeResponse } from './respond.ts'
import { traceDecision } from './trail.ts'

const sourceGrant = 'audit-source'
const balp = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.'
/** Somebody opened something of a patient's, or looked for it. */
const accepted: readonly string[] = [`${balp}PatientRead`, `${balp}PatientQuery`]
/** The log cannot forget, and must not grow by what anybody cares to send. */
const maxBytes = 32 * 1024
const maxEntities = 50
/** Clocks differ by a little. */
const maxAheadMs = 60_000

/**
 * A registered source tells the log of an act at its side (J25). The event must meet IHE BALP's patterns and be about a
 * patient the client may tell of; it becomes a leaf of the log beside the event of its being told, marked as reported.
 * The same event again, by the id its source gave it or else byte for byte, changes nothing.
 *
 * Failures: `forbidden` without the grant or about somebody else's patient, `invalid` for what does not hold, `conflict`
 * for another event under a known id, `too-large`.
 */
export async function reportEvent(call: Call, sent: AuditEvent): Promise<Answer> {
  const organization = requireSource(call)
  requireValid(call, sent as AuditEvent & { id: string })
  requireClaims(sent, call.ports.profiles?.AuditEvent ?? [])
  const received = call.ports.clock.now()
  requireTold(sent, organization, received)
  const patient = await requirePatient(call, sent)
  await requireOfPatient(call, sent, patient)
  call.trail.patients.add(patient)
  return keep(call, { sent, organization, patient, received })
}

interface Checked {
  sent: AuditEvent
  organization: Reference
  patient: Reference
  received: number
}

async function keep(call: Call, checked: Checked): Promise<Answer> {
  const { ports, request, trail } = call
  const { sent, received } = checked
  const { caller, body } = request
  const original = base64(body)
  const key = { sender: `audit-source ${caller.clientId}`, messageId: sent.id ? `id ${sent.id}` : original }
  const known = await ports.store.findReceipt(key.sender, key.messageId, body)
  if (known) {
    if (known.outcome !== 'same')
      throw new Failure('conflict', 'Another event was reported under this id: an event does not change.')
    trail.words = 'reported before'
    return answered(call, known.answer, 200)
  }
  const id = ports.ids.random()
  const entry = markReported(id, { ...checked, event: sent, original, caller }, stringifyJson)
  trail.entities.add(`AuditEvent/${id}`)
  return {
    response: writeResponse(call, 201, storedAs(id, received), entry.json),
    entries: [entry],
    // Of no patient: the answer is an id, and the event itself lies under the log's keys.
    receipt: { ...key, body, answer: id, at: received },
    // The same event at once: whoever came second is answered with what the first one made.
    retry: () => {
      trail.entities.delete(`AuditEvent/${id}`)
      return keep(call, checked)
    },
  }
}

async function answered(call: Call, id: string, status: number): Promise<Answer> {
  const stored = await call.ports.store.read('AuditEvent', id)
  if (!stored) throw new Failure('gone', 'This event was reported, and is no longer kept.')
  call.trail.entities.add(`AuditEvent/${id}`)
  return { response: writeResponse(call, status, stored, stored.json) }
}

function storedAs(id: string, updated: number): Stored {
  return { type: 'AuditEvent', id, version: 1, deleted: false, updated, json: '' }
}

/** The organization for which the client may report. */
function requireSource(call: Call): Reference {
  const { caller, body, header } = call.request
  if (call.assigned)
    throw new Failure('unsupported', 'An event is reported by itself or in a batch, not in a transaction.')
  if (!caller.grants.includes(sourceGrant)) {
    call.trail.denied = true
    throw new Failure('forbidden', `Only a client registered with ${sourceGrant} reports events.`)
  }
  if (header('if-none-exist') !== undefined)
    throw new Failure('unsupported', 'An event is told apart by its id; leave out If-None-Exist.')
  if (body.byteLength > maxBytes)
    throw new Failure('too-large', `A reported event has ${maxBytes} bytes at the most.`)
  const organization = caller.actors.find((actor) => actor.startsWith('Organization/'))
  if (!organization) throw new Failure('forbidden', 'This client is registered for no organization.')
  return organization
}

/** What it claims can be checked here, and is one of the patterns of looking at a patient's record. */
function requireClaims({ meta }: AuditEvent, known: readonly string[]): void {
  const claims = meta?.profile ?? []
  if (claims.some((each) => accepted.includes(each)) && claims.every((each) => known.includes(each))) return
  throw invalid('meta.profile', `The event must claim ${accepted.join(' or ')}, and nothing unknown here.`)
}

function requireTold(event: AuditEvent, organization: Reference, now: number): void {
  if (event.source.observer.reference !== organization)
    throw invalid(
      'source.observer',
      'The observer must be the organization that the client is registered for.',
    )
  if (!event.agent.some(({ requestor }) => requestor))
    throw invalid('agent', 'One agent must be the requestor: who looked.')
  if (Date.parse(event.recorded) > now + maxAheadMs)
    throw invalid('recorded', 'The event is recorded in the future.')
  if ((event.entity ?? []).length > maxEntities)
    throw invalid('entity', `An event names ${maxEntities} entities at the most.`)
}

/** Whether there is no such patient or it is not the client's is told in the same words. */
async function requirePatient(call: Call, event: AuditEvent): Promise<Reference> {
  const { access } = call.ports
  const patient = patientOfEvent(event)
  if (!patient) throw invalid('entity', 'One entity must be the patient: Patient/id, with role 1.')
  const { caller } = call.request
  const decision = await access.decide({ caller, interaction: 'create', type: call.type, incoming: event })
  traceDecision(call.trail, decision)
  if (decision.permit && (await find(call, patient))) return patient
  call.trail.denied = true
  throw new Failure('forbidden', 'You may not report events about this patient.')
}

/** All else that it names is the patient's too: no report reaches across. Absent and somebody else's look the same. */
async function requireOfPatient(call: Call, { entity = [] }: AuditEvent, patient: Reference): Promise<void> {
  const records = await call.ports.access.recordsOf(patient)
  for (const [index, { what }] of entity.entries()) {
    const reference = what?.reference
    if (reference === undefined || reference === patient) continue
    const named = await find(call, reference)
    const owner = named && patientOf(named)
    if (owner === undefined || !records.includes(owner))
      throw invalid(`entity[${index}].what`, 'This is no resource of the patient here.')
  }
}

async function find({ ports }: Call, reference: string): Promise<Resource | undefined> {
  const [, type, id] = /^([A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/\d+)?$/.exec(reference) ?? []
  const stored = type && id ? await ports.store.read(type, id) : undefined
  return stored && !stored.deleted ? (JSON.parse(stored.json) as Resource) : undefined
}

function invalid(expression: string, text: string): Failure {
  return new Failure('invalid', [{ text, expression: `AuditEvent.${expression}` }])
}
