import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { FhirPorts } from '#fhir/call.ts'
import { readPreferences, requireJsonBody } from '#fhir/negotiate.ts'
import { answerOnRecord, refusedOnRecord } from '#fhir/on-record.ts'
import { failureResponse, ok } from '#fhir/respond.ts'
import { bundleText } from '#fhir/search/bundle.ts'
import { createTrail } from '#fhir/trail.ts'
import { type Entry, readBundle, requestOf, responseEntry } from './entries.ts'
import { transact } from './transaction.ts'

/** Entries of a batch that run side by side. */
const abreast = 8

/** https://hl7.org/fhir/R4/http.html#transaction: what is posted to the base. */
export async function takeBundle(
  ports: FhirPorts,
  request: DoorRequest,
  types: readonly string[],
): Promise<DoorResponse> {
  try {
    readPreferences(request)
    requireJsonBody(request)
    const { type, entries } = readBundle(request.body, ports.base)
    if (type === 'transaction') return await transact(ports, request, types, entries)
    const head = { id: ports.ids.random(), at: ports.clock.now(), links: [] }
    const responses = await batch(ports, request, types, entries)
    return ok(bundleText({ ...head, type: 'batch-response', entries: responses.map(responseEntry) }))
  } catch (cause) {
    return refusedOnRecord(ports, request, createTrail(), { kind: 'create', cause })
  }
}

/** Each entry is a request of its own, on record by itself; what becomes of one does not touch the others. */
async function batch(
  ports: FhirPorts,
  request: DoorRequest,
  types: readonly string[],
  entries: readonly Entry[],
): Promise<DoorResponse[]> {
  const responses: DoorResponse[] = []
  for (let from = 0; from < entries.length; from += abreast) {
    const some = entries.slice(from, from + abreast)
    responses.push(...(await Promise.all(some.map((entry) => answerEntry(ports, request, types, entry)))))
  }
  return responses
}

async function answerEntry(
  ports: FhirPorts,
  outer: DoorRequest,
  types: readonly string[],
  entry: Entry,
): Promise<DoorResponse> {
  try {
    return await answerOnRecord(ports, requestOf(entry, outer), types)
  } catch (cause) {
    if (cause instanceof Failure && cause.kind !== 'internal') return failureResponse(cause)
    throw cause
  }
}
