import type { Act } from '#core/act.ts'
import type { Interaction } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Answer, Call, FhirPorts } from './call.ts'
import { capabilityStatement } from './capability.ts'
import { type Matched, matchRoute } from './match.ts'
import { readPreferences } from './negotiate.ts'
import { failureResponse, indented, ok } from './respond.ts'
import { servedTypes } from './routes.ts'
import { createTrail, type Trail, traceDecision } from './trail.ts'

export interface Fhir {
  /** Answers every request, refusals too; rejects only when nothing could be put on record (`unavailable`) or on a bug. */
  handle(request: DoorRequest): Promise<DoorResponse>
  /** The CapabilityStatement: public, so it takes no caller and leaves no audit event. */
  metadata(): object
}

/** The FHIR R4 server: gate → store → decide → redact → one commit with the audit entries → answer. */
export function createFhir(ports: FhirPorts): Fhir {
  const types = ports.types ?? servedTypes
  const statement = capabilityStatement(ports, types)
  const text = JSON.stringify(statement)

  async function handle(request: DoorRequest): Promise<DoorResponse> {
    if (request.method === 'GET' && request.path === 'metadata') return ok(text)
    const response = await answerOnRecord(ports, request, types)
    return request.query.get('_pretty') === 'true' ? indented(response) : response
  }

  return { handle, metadata: () => statement }
}

/**
 * The wrapper around all interactions: whatever comes of a request, its audit entries are durable before the answer
 * leaves, and in the same unit as what it changes (AUD1, AUD2, AUD4).
 */
async function answerOnRecord(
  ports: FhirPorts,
  request: DoorRequest,
  types: readonly string[],
): Promise<DoorResponse> {
  const trail = createTrail()
  const audited = (act: Pick<Act, 'kind' | 'outcome' | 'outcomeText'>) =>
    ports.audit.record({ ...act, ...told(request, trail), at: ports.clock.now() })
  let kind = assumedKind(request.method)
  try {
    const matched = matchRoute(request, types)
    kind = matched.route.kind
    let answer = await interact(ports, request, matched, trail)
    for (;;) {
      try {
        await ports.store.commit({ audit: audited({ kind, outcome: 'success' }), writes: answer.writes })
        return answer.response
      } catch (cause) {
        answer = await retried(answer, cause)
      }
    }
  } catch (cause) {
    const failure =
      cause instanceof Failure ? cause : new Failure('internal', 'Something went wrong here.', { cause })
    const outcome = trail.denied || failure.kind === 'forbidden' ? 'denied' : 'failed'
    await ports.store.commit({ audit: audited({ kind, outcome, outcomeText: failure.message }) })
    if (failure.kind === 'internal') throw failure
    return failureResponse(failure)
  }
}

async function retried(answer: Answer, cause: unknown): Promise<Answer> {
  if (answer.retry && cause instanceof Failure && cause.kind === 'precondition-failed') return answer.retry()
  throw cause
}

async function interact(
  ports: FhirPorts,
  request: DoorRequest,
  matched: Matched,
  trail: Trail,
): Promise<Answer> {
  const { route, type, id, version } = matched
  const gate = ports.access.gate(request.caller, route.kind, type)
  traceDecision(trail, gate)
  if (!gate.permit) throw new Failure('forbidden', `This token does not allow ${route.kind} of ${type}.`)
  const prefer = readPreferences(request)
  const call: Call = { ports, request, kind: route.kind, type, id, version, prefer, trail }
  return route.interact(call)
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
