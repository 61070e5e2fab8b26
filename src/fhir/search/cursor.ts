import { Failure } from '#core/failure.ts'
import type { Cursor } from '#core/query.ts'
import type { Call } from '#fhir/call.ts'

/** Where a search goes on: the query as it was asked, and the last row shown. */
export interface Continuation {
  query: string
  after: Cursor
}

/**
 * An opaque text for a next link, sealed and good only for the same caller and type (F9). The client can neither read
 * what was asked from it nor make one up.
 */
export function sealContinuation(call: Call, { query, after }: Continuation): string {
  return call.ports.cursorKey.seal(JSON.stringify([...boundTo(call), query, after.key, after.id]))
}

/** Throws Failure `gone` for a link that was changed, or is somebody else's. */
export function openContinuation(call: Call, text: string): Continuation {
  const [client, actor, type, query, key, id] = open(call, text)
  const [ownClient, ownActor, ownType] = boundTo(call)
  if (client !== ownClient || actor !== ownActor || type !== ownType) throw notValid()
  return { query: String(query), after: { key: Number(key), id: String(id) } }
}

function boundTo({ request, type }: Call): string[] {
  return [request.caller.clientId, request.caller.actors.join(' '), type]
}

function open(call: Call, text: string): unknown[] {
  try {
    return JSON.parse(call.ports.cursorKey.open(text))
  } catch (cause) {
    throw notValid(cause)
  }
}

function notValid(cause?: unknown): Failure {
  return new Failure('gone', 'This page link is not valid here; search again.', { cause })
}
