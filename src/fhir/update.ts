import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import type { Resource } from '#core/resource.ts'
import type { Answer, Call } from './call.ts'
import { withHidden } from './hidden.ts'
import { requireVersionMatch } from './if-match.ts'
import { readIncoming } from './incoming.ts'
import { absent, requireDeletedVisible, requireVisible } from './show.ts'
import { traceDecision } from './trail.ts'
import { prepareWrite } from './write.ts'

/** https://hl7.org/fhir/R4/http.html#update: If-Match is required, since a lost update here is a lost order. */
export async function update(call: Call): Promise<Answer> {
  return updateTo(call, readIncoming(call), 'required')
}

/** The same for what a condition found: the condition chose it, so If-Match is not required. */
export function updateFound(call: Call, incoming: Resource): Promise<Answer> {
  return updateTo(call, incoming, 'optional')
}

async function updateTo(call: Call, incoming: Resource, match: 'required' | 'optional'): Promise<Answer> {
  if (incoming.id !== call.id) {
    throw new Failure('malformed', [{ text: 'The id is not the one that the URL names.', expression: 'id' }])
  }
  const stored = await call.ports.store.read(call.type, call.id)
  if (!stored || stored.deleted) return updateAsCreate(call, incoming, stored)
  const shown = await requireVisible(call, stored)
  requireVersionMatch(call, stored, match)
  const whole = withHidden(call, shown, incoming)
  return prepareWrite(call, whole, { id: call.id, version: stored.version + 1, previous: shown.resource })
}

/**
 * A client may choose ids only in a space of its own, `<client id>.…`: elsewhere the answer would tell it which ids are
 * taken by what it may not see (ACC12). The grant `assign-ids`, for feeders that are trusted with that, lifts this.
 */
async function updateAsCreate(call: Call, incoming: Resource, deletion?: Stored): Promise<Answer> {
  const { caller } = call.request
  const gate = call.ports.access.gate(caller, 'create', call.type)
  const own = call.id.startsWith(`${caller.clientId}.`) || caller.grants.includes('assign-ids')
  if (!gate.permit || !own || call.request.header('if-match') !== undefined) {
    traceDecision(call.trail, gate)
    throw absent()
  }
  if (deletion) await requireDeletedVisible(call, deletion)
  return prepareWrite(call, incoming, { id: call.id, version: (deletion?.version ?? 0) + 1 })
}
