import type { Subscription } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest } from '#core/http.ts'
import type { Resource } from '#core/resource.ts'
import { wantedOf } from '#core/subscription.ts'
import type { Call, FhirPorts } from '#fhir/call.ts'
import { readTypeFilter, type TypeFilter } from '#fhir/export/type-filter.ts'
import { createTrail } from '#fhir/trail.ts'

/** Throws what is wrong in the criteria of a Subscription: what may not be searched may not be subscribed to. */
export function requireSubscribable(call: Call, resource: Resource): void {
  if (resource.resourceType !== 'Subscription') return
  const wanted = wantedOf(resource)
  // What is no criteria at all is said with what else is wrong (care).
  if (!wanted) return
  if (!call.ports.access.gate(call.request.caller, 'search', wanted.type).permit) {
    throw new Failure('forbidden', 'You may not search what the criteria are about.')
  }
  readFilters({ ...call, type: wanted.type }, resource)
}

/** All of them must hold. */
export function readFilters(call: Call, subscription: Subscription): TypeFilter {
  const filters = (wantedOf(subscription)?.queries ?? []).map((query) => readTypeFilter(call, query))
  return {
    elements: new Set(filters.flatMap(({ elements }) => [...elements])),
    checks: filters.flatMap(({ checks }) => checks),
  }
}

/** What a subscriber would see, asked without a request of its own. */
export function callFor(ports: FhirPorts, caller: Caller, type: string): Call {
  const request: DoorRequest = {
    method: 'GET',
    path: type,
    query: new URLSearchParams(),
    header: () => undefined,
    body: new Uint8Array(0),
    caller,
    requestId: ports.ids.random(),
  }
  const prefer = { return: 'representation', handling: 'strict', pretty: false } as const
  return { ports, request, kind: 'search', type, id: '', version: '', prefer, trail: createTrail() }
}
