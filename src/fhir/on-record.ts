import type { Act, AuditEntry } from '#core/act.ts'
import type { Interaction } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Answer, Call, FhirPorts } from './call.ts'
import { type Matched, matchRoute } from './match.ts'
import { readPreferences } from './negotiate.ts'
import { failureResponse } from './respond.ts'
import { createTrail, type Trail, traceDecision } from './trail.ts'

/**
 * The wrapper around all interactions: whatever comes of a request, its audit entries are durable before the answer
 * leaves, and in the same unit as what it changes (AUD1, AUD2, AUD4).
 */
export async function answerOnRecord(
  ports: FhirPorts,
  request: DoorRequest,
  types: readonly string[],
): Promise<DoorResponse> {
  const trail = createTrail()
  let kind: Act['kind'] = assumedKind(request.method)
  try {
    const matched = matchRoute(request, types)
    kind = matched.route.act ?? matched.route.kind
    const answer = await interact(ports, request, matched, trail)
    const said = () => (trail.words === undefined ? {} : { outcomeText: trail.words })
    return await committed(ports, answer, (more) => [
      ...auditOf(ports, request, trail, { kind, outcome: 'success', ...said() }),
      ...more,
    ])
  } catch (cause) {
    return refusedOnRecord(ports, request, trail, { kind, cause })
  }
}

/** Stores what an interaction wants stored together with its audit entries; one that lost a race is asked anew. */
export async function committed(
  { store }: FhirPorts,
  first: Answer,
  auditWith: (entries: readonly AuditEntry[]) => AuditEntry[],
): Promise<DoorResponse> {
  for (let answer = first; ; ) {
    try {
      const { response, retry: _, entries = [], ...unit } = answer
      await store.commit({ audit: auditWith(entries), ...unit })
      return response
    } catch (cause) {
      answer = await retried(answer, cause)
    }
  }
}

/** A refusal is on record before it leaves too; rejects with what should not have happened. */
export async function refusedOnRecord(
  ports: FhirPorts,
  request: DoorRequest,
  trail: Trail,
  { kind, cause }: { kind: Act['kind']; cause: unknown },
): Promise<DoorResponse> {
  const failure =
    cause instanceof Failure ? cause : new Failure('internal', 'Something went wrong here.', { cause })
  const outcome = trail.denied || failure.kind === 'forbidden' ? 'denied' : 'failed'
  const audit = auditOf(ports, request, trail, { kind, outcome, outcomeText: failure.message })
  await ports.store.commit({ audit })
  if (failure.kind === 'internal') throw failure
  return failureResponse(failure)
}

export function auditOf(
  ports: FhirPorts,
  request: DoorRequest,
  trail: Trail,
  act: Pick<Act, 'kind' | 'outcome' | 'outcomeText'>,
): AuditEntry[] {
  return ports.audit.record({ ...act, ...told(request, trail), at: ports.clock.now() })
}

async function retried(answer: Answer, cause: unknown): Promise<Answer> {
  const lost = cause instanceof Failure && ['precondition-failed', 'conflict'].includes(cause.kind)
  if (answer.retry && lost) return answer.retry()
  throw cause
}

/** What the token allows is asked first; then the interaction itself runs. */
export async function interact(
  ports: FhirPorts,
  request: DoorRequest,
  matched: Matched,
  trail: Trail,
): Promise<Answer> {
  return matched.route.interact(openCall(ports, request, matched, trail))
}

export function openCall(ports: FhirPorts, request: DoorRequest, matched: Matched, trail: Trail): Call {
  const { route, type, id, version } = matched
  const gates = (route.gates ?? [route.kind]).map((kind) => ports.access.gate(request.caller, kind, type))
  const gate = gates.find(({ permit }) => permit) ?? ports.access.gate(request.caller, route.kind, type)
  traceDecision(trail, gate)
  if (!gate.permit) throw new Failure('forbidden', `This token does not allow ${route.kind} of ${type}.`)
  const isFile = type === 'Binary' && !route.operation && ['read', 'vread'].includes(route.kind)
  const prefer = readPreferences(request, isFile)
  return { ports, request, kind: route.kind, type, id, version, prefer, trail }
}

function told(request: DoorRequest, trail: Trail): Omit<Act, 'kind' | 'outcome' | 'at'> {
  return {
    requestId: request.requestId,
    caller: request.caller,
    patients: [...trail.patients],
    entities: [...trail.entities],
    consents: [...trail.consents],
    reasons: [...trail.reasons],
    ...(trail.query === undefined ? {} : { query: trail.query }),
  }
}

/** What a request wanted, for the record, when no route has it. */
function assumedKind(method: string): Interaction {
  const kinds: Record<string, Interaction> = {
    POST: 'create',
    PUT: 'update',
    PATCH: 'update',
    DELETE: 'delete',
  }
  return kinds[method] ?? 'read'
}
