import { consequencesOf } from '#care/consequences.ts'
import type { Decision } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import { type Identified, type Resource, versioned } from '#core/resource.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import { settled } from './binary/belonging.ts'
import type { Answer, Call } from './call.ts'
import { requireValid } from './incoming.ts'
import { writeResponse } from './respond.ts'
import { requireSubscribable } from './subscription/subscribable.ts'
import { traceDecision, traceResource, untrace } from './trail.ts'

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
export async function prepareWrite(call: Call, incoming: Resource, place: Place, tries = 1): Promise<Answer> {
  const at = call.ports.clock.now()
  const resource = versioned(await settled(call, incoming), place.id, place.version, at)
  requireValid(call, resource)
  const decision = await requireAllowed(call, resource, place.previous)
  requireSubscribable(call, resource)
  const { store, ids, access } = call.ports
  const { caller } = call.request
  const ports = { store, ids, access, parse: parseJson }
  const { result, writes, ...more } = await consequencesOf(ports, { caller, resource, ...place, at })
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
  const answer: Answer = { response: writeResponse(call, status, stored, text), writes, ...more }
  // What follows was worked out from what stood there: if that has moved, it is worked out again.
  if (tries === maxTries || (writes.length === 1 && !more.nonces)) return answer
  const retry = () => {
    for (const { resource, version } of writes) untrace(call.trail, resource, version)
    return prepareWrite(call, incoming, place, tries + 1)
  }
  return { ...answer, retry }
}

/** Of as many dispenses of one order at once, the last one looks as often. */
const maxTries = 30

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
