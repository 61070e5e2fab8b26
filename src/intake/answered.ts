import { sameValue } from '#care/same-value.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import { type Identified, type Reference, type Resource, referenceTo } from '#core/resource.ts'
import { findStanding, writeOf } from './place.ts'

export interface Answering {
  /** What the mapping made when the message came, and which of it was written. */
  drafts: readonly Identified[]
  written: readonly Reference[]
  /** What it makes now. */
  made: readonly Identified[]
  /** Milliseconds since the epoch. */
  at: number
}

export interface AnsweredWrites {
  writes: ResourceWrite[]
  /** What stands afterwards of what the message made, in its order. */
  current: Identified[]
}

/**
 * What the answer to a code changes of what a message made before: of each resource the elements that the mapping makes
 * otherwise now, where nobody changed them since. Throws Failure `conflict` where somebody did, where a resource was
 * deleted, and where the message would come to something else altogether: that is for a person to look at.
 */
export async function answeredWrites(
  store: Pick<Store, 'read'>,
  { drafts, written, made, at }: Answering,
): Promise<AnsweredWrites> {
  const before = new Map(drafts.map((draft) => [referenceTo(draft), draft]))
  const told = new Set(made.map(referenceTo))
  if (drafts.some((draft) => !told.has(referenceTo(draft))))
    throw new Failure('conflict', 'With this answer the message makes less than it did: look at it')
  const writes: ResourceWrite[] = []
  const current: Identified[] = []
  for (const resource of made) {
    const draft = before.get(referenceTo(resource))
    // What was as new already when the message came is not its to change now.
    if (draft && !written.includes(referenceTo(resource))) continue
    const standing = await findStanding(store, resource)
    if (!draft !== !standing)
      throw new Failure('conflict', `The ${resource.resourceType} of this message is not as it left it`)
    const next = draft && standing ? merged(draft, resource, standing) : resource
    if (standing && sameValue(next, standing)) {
      current.push(standing)
      continue
    }
    const write = writeOf(next, resource.id, standing, at)
    writes.push(write)
    current.push(write.resource)
  }
  return { writes, current }
}

type Elements = Record<string, unknown>

/** Element by element: what the answer changes, laid over what stands. */
function merged(draft: Identified, answered: Identified, standing: Identified): Resource {
  const { id: _draft, meta: was, ...from } = draft
  const { id: _answered, meta: is, ...to } = answered
  const { id, meta, ...stands } = standing
  const type = standing.resourceType
  // In force, an order's states are moved by their own table only (R12).
  if (type === 'MedicationRequest' && !sameValue((from as Elements).status, (to as Elements).status))
    throw new Failure('conflict', 'With this answer the order would be in another state: look at it')
  const labels = overlaid(type, labelsOf(was), labelsOf(is), labelsOf(meta))
  const { security: _security, tag: _tag, ...rest } = meta ?? {}
  return { ...overlaid(type, from, to, stands), id, meta: { ...rest, ...labels } } as unknown as Resource
}

function overlaid(type: string, from: object, to: object, stands: object): Elements {
  const [was, is, next] = [from as Elements, to as Elements, { ...stands } as Elements]
  for (const name of new Set([...Object.keys(was), ...Object.keys(is)])) {
    if (sameValue(was[name], is[name]) || sameValue(next[name], is[name])) continue
    if (!sameValue(next[name], was[name]))
      throw new Failure('conflict', [
        {
          text: 'Somebody changed since what this answer changes: look at both',
          expression: `${type}.${name}`,
        },
      ])
    if (is[name] === undefined) delete next[name]
    else next[name] = is[name]
  }
  return next
}

/** The parts of meta that a message says (https://hl7.org/fhir/R4/resource.html#Meta); the others are the server's. */
function labelsOf(meta: Resource['meta']): Elements {
  return {
    ...(meta?.security ? { security: meta.security } : {}),
    ...(meta?.tag ? { tag: meta.tag } : {}),
  }
}
