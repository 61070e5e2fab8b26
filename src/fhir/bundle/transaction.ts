import type { AuditEntry } from '#core/act.ts'
import type { Interaction } from '#core/caller.ts'
import type { NewDelivery, Nonce, ResourceWrite } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Answer, Call, FhirPorts } from '#fhir/call.ts'
import { matchRoute } from '#fhir/match.ts'
import { answerOnRecord, auditOf, interact, openCall, refusedOnRecord } from '#fhir/on-record.ts'
import { failureResponse, ok } from '#fhir/respond.ts'
import type { Route } from '#fhir/routes.ts'
import { bundleText } from '#fhir/search/bundle.ts'
import { createTrail, type Trail } from '#fhir/trail.ts'
import { type Entry, requestOf, responseEntry } from './entries.ts'
import { identify, type Target } from './identify.ts'
import { resolveReferences } from './references.ts'

/** How often the whole is done again when somebody else made what its conditions look for. */
const maxTries = 8
/** Whatever order they were sent in: https://hl7.org/fhir/R4/http.html#trules. Reads come last, on what was written. */
const order = ['DELETE', 'POST', 'PUT', 'PATCH']

/** What is being done, for the record if it fails. */
interface Doing {
  kind: Interaction
  trail: Trail
}

/** All entries or none: each is allowed and checked by itself, and all are one commit together with their audit. */
export async function transact(
  ports: FhirPorts,
  request: DoorRequest,
  types: readonly string[],
  entries: readonly Entry[],
): Promise<DoorResponse> {
  const doing: Doing = { kind: 'create', trail: createTrail() }
  const served: FhirPorts = { ...ports, types }
  try {
    const reading = entries.filter(isRead)
    for (const entry of reading)
      await within(entry, () => requireAsked(served, requestOf(entry, request), doing))
    const responses = await written(served, request, entries, doing)
    for (const entry of reading) responses.set(entry.at, await readAfter(ports, request, types, entry))
    const head = { id: ports.ids.random(), at: ports.clock.now(), links: [] }
    const texts = entries.flatMap(({ at }) => responses.get(at) ?? []).map(responseEntry)
    return ok(bundleText({ ...head, type: 'transaction-response', entries: texts }))
  } catch (cause) {
    return refusedOnRecord(ports, request, doing.trail, { kind: doing.kind, cause })
  }
}

function isRead({ method, path }: Entry): boolean {
  return method === 'GET' || (method === 'POST' && path.endsWith('/_search'))
}

/** A read that no route has, that is not allowed or asked wrongly refuses the whole, while nothing is done yet. */
async function requireAsked(ports: FhirPorts, request: DoorRequest, doing: Doing): Promise<void> {
  const { call, route } = open(ports, request, doing)
  await route.requireAsked?.(call)
}

/** What was written stands: whatever becomes of a read now is that read's own answer. */
async function readAfter(
  ports: FhirPorts,
  request: DoorRequest,
  types: readonly string[],
  entry: Entry,
): Promise<DoorResponse> {
  try {
    return await answerOnRecord(ports, requestOf(entry, request), types)
  } catch (cause) {
    const failed = new Failure('internal', 'Something went wrong here.', { cause })
    return failureResponse(cause instanceof Failure ? cause : failed)
  }
}

async function written(
  ports: FhirPorts,
  request: DoorRequest,
  entries: readonly Entry[],
  doing: Doing,
): Promise<Map<number, DoorResponse>> {
  const writing = entries.filter((entry) => !isRead(entry))
  for (let tries = 1; ; tries++) {
    const { responses, audit, ...changes } = await prepare(ports, request, writing, doing)
    try {
      if (writing.length > 0) await ports.store.commit({ audit, ...changes })
      return responses
    } catch (cause) {
      const lost = cause instanceof Failure && cause.kind === 'precondition-failed'
      const conditional = writing.some(({ query, headers }) => query.size > 0 || 'if-none-exist' in headers)
      if (!lost || !conditional || tries === maxTries) throw cause
    }
  }
}

interface Prepared {
  responses: Map<number, DoorResponse>
  writes: ResourceWrite[]
  deliveries: NewDelivery[]
  nonces: Nonce[]
  audit: AuditEntry[]
}

async function prepare(
  ports: FhirPorts,
  request: DoorRequest,
  entries: readonly Entry[],
  doing: Doing,
): Promise<Prepared> {
  const targets: Target[] = []
  for (const entry of entries) {
    const asked = requestOf(entry, request)
    const { call } = await within(entry, async () => requireNoOperation(open(ports, asked, doing)))
    targets.push(await within(entry, () => identify(call, entry)))
  }
  requireDistinct(targets)
  const resolved = await resolveReferences(targets, doing.trail)
  const prepared: Prepared = { responses: new Map(), writes: [], deliveries: [], nonces: [], audit: [] }
  const claims = new Map<number, string[]>()
  for (const target of resolved.toSorted(
    (a, b) => order.indexOf(a.entry.method) - order.indexOf(b.entry.method),
  )) {
    const answer = await within(target.entry, () => perform(ports, request, target, doing, prepared))
    claims.set(target.entry.at, claimsOf(answer))
  }
  requireApart(claims)
  return prepared
}

/** What an operation rests on holds in a commit of its own only. */
function requireNoOperation(opened: { call: Call; route: Route }): { call: Call; route: Route } {
  if (opened.route.operation)
    throw new Failure('unsupported', 'A transaction takes reads and writes, no operations.')
  return opened
}

function open(ports: FhirPorts, request: DoorRequest, doing: Doing): { call: Call; route: Route } {
  doing.trail = createTrail()
  const matched = matchRoute(request, ports.types ?? [])
  doing.kind = matched.route.kind
  return { call: openCall(ports, request, matched, doing.trail), route: matched.route }
}

async function perform(
  ports: FhirPorts,
  outer: DoorRequest,
  target: Target,
  doing: Doing,
  prepared: Prepared,
): Promise<Answer> {
  const request = requestOf(target.entry, outer)
  doing.trail = createTrail()
  const matched = matchRoute(request, ports.types ?? [])
  doing.kind = matched.route.kind
  const assigned = target.assigned ? { assigned: target.assigned } : {}
  const route = target.found ?? ((call: Call) => matched.route.interact({ ...call, ...assigned }))
  const answer = await interact(
    ports,
    request,
    { ...matched, route: { ...matched.route, interact: route } },
    doing.trail,
  )
  prepared.responses.set(target.entry.at, answer.response)
  prepared.writes.push(...(answer.writes ?? []))
  prepared.deliveries.push(...(answer.deliveries ?? []))
  prepared.nonces.push(...(answer.nonces ?? []))
  prepared.audit.push(...auditOf(ports, request, doing.trail, { kind: doing.kind, outcome: 'success' }))
  return answer
}

/** Which entry it was. */
async function within<T>({ at }: Entry, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.kind === 'internal') throw cause
    const place = `Bundle.entry[${at}]`
    const issues = cause.issues.map((issue) => ({
      ...issue,
      expression: issue.expression ? `${place}.resource.${issue.expression}` : place,
    }))
    throw new Failure(cause.kind, issues, { cause })
  }
}

function requireDistinct(targets: readonly Target[]): void {
  const names = targets.flatMap(({ name, found }) => (found ? [] : [name]))
  if (new Set(names).size < names.length)
    throw new Failure('malformed', 'Two entries of a transaction write the same resource; send one for each.')
}

/** What an entry must be the only one to change, or to have looked through. */
function claimsOf({ writes = [], nonces = [] }: Answer): string[] {
  return [
    ...writes.map(({ resource, version }) => `${resource.resourceType}/${resource.id}/${version}`),
    ...nonces.map(({ issuer }) => issuer),
  ]
}

/**
 * What follows from one entry by the rules of care may be what another entry writes, or rest on a sum that another one
 * changes (two dispenses of one order): each was worked out without the other, so neither would be right.
 */
function requireApart(claims: ReadonlyMap<number, readonly string[]>): void {
  const claimants = new Map<string, number[]>()
  for (const [at, names] of claims)
    for (const name of new Set(names)) claimants.set(name, [...(claimants.get(name) ?? []), at])
  const colliding = new Set([...claimants.values()].filter(({ length }) => length > 1).flat())
  if (colliding.size === 0) return
  const text =
    'Entries change or count the same, such as two dispenses of one order; send them one after the other.'
  throw new Failure(
    'conflict',
    [...colliding].sort((a, b) => a - b).map((at) => ({ text, expression: `Bundle.entry[${at}]` })),
  )
}
