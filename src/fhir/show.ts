import type { Interaction } from '#core/caller.ts'
import type { Decision } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import type { Identified } from '#core/resource.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import type { Call } from './call.ts'
import { traceDecision, traceResource } from './trail.ts'

/** A stored version that the caller may see, with the text to serve. */
export interface Shown {
  stored: Stored
  /** For deciding and for following references; numbers in it have lost their digits. */
  resource: Identified
  decision: Decision
  text: string
}

/** The resource as the caller sees it. */
export function seenOf({ text, stored, resource }: Shown): Identified {
  return text === stored.json ? resource : JSON.parse(text)
}

/** One failure for what is missing and for what is hidden, so that nobody can tell them apart (ACC12). */
export function absent(): Failure {
  return new Failure('not-found', 'There is no such resource.')
}

function parseStored(stored: Stored): Identified {
  return JSON.parse(stored.json)
}

/** Decides about one version; undefined when the caller may not know of it. Leaves no trace: a search looks ahead. */
export async function findVisible(
  call: Call,
  stored: Stored,
  interaction: Interaction,
): Promise<Shown | undefined> {
  const resource = parseStored(stored)
  const decision = await call.ports.access.decide({
    caller: call.request.caller,
    interaction,
    type: stored.type,
    stored: resource,
  })
  if (!decision.permit) return undefined
  return { stored, resource, decision, text: textFor(call, stored, resource, decision) }
}

/**
 * Whether the caller may know of an earlier version: as that version stood, and as the resource stands now. What was
 * found to be sensitive since, or belongs to somebody else, is not shown by asking for what it was before.
 */
export async function findEarlier(
  call: Call,
  stored: Stored,
  interaction: Interaction,
): Promise<Shown | undefined> {
  const newest = await findNewest(call, stored)
  if (newest && !(await findVisible(call, newest, interaction))) return undefined
  return findVisible(call, stored, interaction)
}

/** The same, on record; throws the failure of absence. */
export async function requireEarlier(call: Call, stored: Stored): Promise<Shown> {
  const newest = await findNewest(call, stored)
  if (newest) await requireVisible(call, newest)
  return requireVisible(call, stored)
}

/** The last version that has a body, where it is a later one. */
async function findNewest(
  { ports: { store } }: Call,
  { type, id, version }: Stored,
): Promise<Stored | undefined> {
  const current = await store.read(type, id)
  const newest = current?.deleted ? await store.readVersion(type, id, current.version - 1) : current
  return newest && !newest.deleted && newest.version > version ? newest : undefined
}

/** As findVisible, and on record; throws the failure of absence. */
export async function requireVisible(call: Call, stored: Stored): Promise<Shown> {
  const resource = parseStored(stored)
  const { access } = call.ports
  const decision = await access.decide({
    caller: call.request.caller,
    interaction: call.kind,
    type: stored.type,
    stored: resource,
  })
  traceDecision(call.trail, decision)
  traceResource(call.trail, resource)
  if (!decision.permit) throw absent()
  return { stored, resource, decision, text: textFor(call, stored, resource, decision) }
}

/**
 * The version before a deletion tells whether the caller may know that there was something: 410 if so, else absent.
 */
export async function requireDeletedVisible(call: Call, deletion: Stored): Promise<Shown> {
  const before = await call.ports.store.readVersion(deletion.type, deletion.id, deletion.version - 1)
  if (!before || before.deleted) throw absent()
  return requireVisible(call, before)
}

/** Stored text as it is when nothing is hidden; else read with all its digits, redacted and written anew. */
function textFor(call: Call, stored: Stored, resource: Identified, decision: Decision): string {
  const { access } = call.ports
  if (access.redact(decision, resource) === resource) return stored.json
  return stringifyJson(access.redact(decision, parseJson(stored.json) as Identified))
}
