import { consequencesOf } from '#care/consequences.ts'
import type { Decision } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import { type Identified, type Resource, versioned } from '#core/resource.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import type { Answer, Call } from './call.ts'
import { requireValid } from './incoming.ts'
import { writeResponse } from './respond.ts'
import { traceDecision, traceResource } from './trail.ts'

/** The place where a resource goes: its next version, and what stands there now. */
export interface Place {
  id: string
  version: number
  previous?: Identified
}

/**
 * The common end of create and update: the resource gets its place, must be valid, and the caller must be allowed to
 * make it what it becomes. That refusal is open (403): nothing stored is given away by it, since the caller sees what
 * stands there, or nothing does.
 */
export async function prepareWrite(call: Call, incoming: Resource, place: Place): Promise<Answer> {
  const at = call.ports.clock.now()
  const resource = versioned(incoming, place.id, place.version, at)
  requireValid(call, resource)
  const decision = await requireAllowed(call, resource, place.previous)
  const { store, ids, access } = call.ports
  const { caller } = call.request
  const ports = { store, ids, access, parse: parseJson }
  const { result, writes, deliveries } = await consequencesOf(ports, { caller, resource, ...place, at })
  for (const write of writes) traceResource(call.trail, write.resource, write.version)
  const stored: Stored = {
    type: call.type,
    id: place.id,
    version: result.version,
    deleted: false,
    updated: at,
    json: '',
  }
  const status = place.previous ? 200 : 201
  const text = stringifyJson(access.redact(decision, result.resource))
  return { response: writeResponse(call, status, stored, text), writes, deliveries }
}

async function requireAllowed(call: Call, incoming: Identified, stored?: Identified): Promise<Decision> {
  const { access } = call.ports
  const interaction = stored ? 'update' : 'create'
  const decision = await access.decide({
    caller: call.request.caller,
    interaction,
    type: call.type,
    stored,
    incoming,
  })
  traceDecision(call.trail, decision)
  if (!decision.permit) {
    traceResource(call.trail, incoming)
    throw new Failure('forbidden', `You may not ${interaction} this ${call.type}.`)
  }
  return decision
}
