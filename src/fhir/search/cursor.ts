import { Failure } from '#core/failure.ts'
import type { Call } from '#fhir/call.ts'
import type { Position } from './page.ts'

/** Where a search goes on: the query as it was asked, and the last row shown. */
export interface Continuation {
  query: string
  after: Position
}

/**
 * An opaque text for a next link, sealed and good only for the same caller and path (F9). The client can neither read
 * what was asked from it nor make one up.
 */
export function sealContinuation(call: Call, { query, after }: Continuation): string {
  const { key, id, keys } = after
  return call.ports.cursorKey.seal(JSON.stringify([...boundTo(call), query, key, id, keys]))
}

/** Throws Failure `gone` for a link that was changed, or is somebody else's. */
export function openContinuation(call: Call, text: string): Continuation {
  const [client, actor, path, query, key, id, keys] = open(call, text)
  const [ownClient, ownActor, ownPath] = boundTo(call)
  if (client !== ownClient || actor !== ownActor || path !== ownPath) throw notValid()
  const after: Position = { key: Number(key), id: String(id) }
  return {
    query: String(query),
    after: Array.isArray(keys) ? { ...after, keys: keys as NonNullable<Position['keys']> } : after,
  }
}

/** A page of a history is no page of a search. */
function boundTo({ request, type, id, kind }: Call): string[] {
  return [request.caller.clientId, request.caller.actors.join(' '), [kind, type, id].join(' ')]
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
