import type { Call, Interact } from '#fhir/call.ts'
import { freePlace } from '#fhir/create-unless-found.ts'
import { findOnly } from '#fhir/find-only.ts'
import { writeResponse } from '#fhir/respond.ts'
import { absent, type Shown } from '#fhir/show.ts'
import { traceDecision, traceResource } from '#fhir/trail.ts'
import type { Entry } from './entries.ts'

/** An entry of a transaction, with the resource that it is about settled before anything is done. */
export interface Target {
  /** Without conditions in its address. */
  entry: Entry
  call: Call
  /** `Type/id` */
  name: string
  /** Where a new resource goes. */
  assigned?: { id: string; version: number }
  /** A conditional create that found its resource: it is answered with that. */
  found?: Interact
}

/** Ids are given and conditions looked up first, so that entries can refer to each other. */
export async function identify(call: Call, entry: Entry): Promise<Target> {
  const { type, id, request } = call
  if (id !== '') return { entry, call, name: `${type}/${id}` }
  if (request.method === 'POST') return identifyCreate(call, entry)
  const found = await findOnly(call, request.query, `A conditional ${call.kind}`)
  if (found) {
    const name = `${type}/${found.stored.id}`
    return { entry: matched(placed(entry, name), found), call, name }
  }
  if (request.method !== 'PUT') throw absent()
  const assigned = await freePlace(call, sorted(request.query))
  const made: Entry = { ...placed(entry, type), method: 'POST' }
  return { entry: made, call, name: `${type}/${assigned.id}`, assigned }
}

async function identifyCreate(call: Call, entry: Entry): Promise<Target> {
  const { type, request, ports } = call
  const condition = request.header('if-none-exist')
  if (condition === undefined) {
    const assigned = { id: ports.ids.random(), version: 1 }
    return { entry, call, name: `${type}/${assigned.id}`, assigned }
  }
  const query = new URLSearchParams(condition.replace(/^[^=]*\?/, ''))
  const found = await findOnly(call, query, 'If-None-Exist')
  if (found) return { entry, call, name: `${type}/${found.stored.id}`, found: answeredWith(found) }
  const assigned = await freePlace(call, sorted(query))
  return { entry, call, name: `${type}/${assigned.id}`, assigned }
}

function answeredWith(found: Shown): Interact {
  return async (call) => {
    traceDecision(call.trail, found.decision)
    traceResource(call.trail, found.resource)
    return { response: writeResponse(call, 200, found.stored, found.text) }
  }
}

function placed(entry: Entry, path: string): Entry {
  return { ...entry, path, query: new URLSearchParams() }
}

/** The condition chose the version that stands there, so it is that one which is changed. */
function matched(entry: Entry, { stored }: Shown): Entry {
  const resource = entry.method === 'PUT' ? withId(entry.resource, stored.id) : entry.resource
  return { ...entry, resource, headers: { 'if-match': `W/"${stored.version}"`, ...entry.headers } }
}

function withId(resource: unknown, id: string): unknown {
  return typeof resource === 'object' && resource !== null ? { id, ...resource } : resource
}

function sorted(query: URLSearchParams): string {
  const copy = new URLSearchParams(query)
  copy.sort()
  return copy.toString()
}
