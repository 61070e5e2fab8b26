import type { Caller } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Store } from '#core/ports.ts'
import {
  type Identified,
  type Reference,
  type Resource,
  referenceTo,
  versioned,
  versionOf,
} from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import { atVersions } from './provenance.ts'

export interface Placing {
  /** Which types may be changed, and how. */
  revisions: Flow['revisions']
  source: unknown
  /** Milliseconds since the epoch. */
  at: number
}

/** Why somebody may write something. */
export interface Allowed {
  resource: Reference
  reasons: readonly string[]
  rules: string
}

export interface Placed {
  /** What is to be written. */
  writes: ResourceWrite[]
  /** What stands as the message says already, or better. */
  unchanged: Identified[]
}

/**
 * Where the resources that a mapping made go: to the place that their id names, as its first version or, by the flow's
 * `revisions`, as the next one of what stands there. What the message does not change is not written, and a Provenance
 * speaks of what is. Another writer makes the commit fail with `precondition-failed`, and the message is worked out
 * anew. Throws Failure `conflict` for what was deleted.
 */
export async function place(
  store: Pick<Store, 'read'>,
  made: readonly Identified[],
  placing: Placing,
): Promise<Placed> {
  const writes: ResourceWrite[] = []
  const unchanged: Identified[] = []
  for (const resource of made) {
    if (resource.resourceType === 'Provenance') continue
    const rule = placing.revisions?.[resource.resourceType]
    const standing = rule && (await findStanding(store, resource))
    const next = standing ? rule(standing, resource, placing.source) : resource
    if (next === standing) unchanged.push(standing)
    else writes.push(writeOf(next, resource.id, standing, placing.at))
  }
  const written = writes.map(({ resource }) => resource)
  for (const each of written.length > 0 ? made : []) {
    if (each.resourceType === 'Provenance')
      writes.push(writeOf(atVersions(each, written), each.id, undefined, placing.at))
  }
  return { writes, unchanged }
}

/**
 * Every write is decided: `create`, or `update` of both versions, of what stays as it is too. Who tells again of what it
 * told itself (`retold`, intake/earlier) needs no more than it needed to tell it. Else Failure `forbidden`.
 */
export async function requireAllowed(
  access: Pick<Access, 'decide'>,
  caller: Caller,
  { writes, unchanged }: Placed,
  retold: readonly Reference[],
): Promise<Allowed[]> {
  const allowed: Allowed[] = []
  const kept = unchanged.map((standing) => ({ resource: standing, previous: standing }))
  for (const { resource: incoming, previous: stored } of [...writes, ...kept]) {
    const type = incoming.resourceType
    // Provenance is ours: the caller neither sent nor needs to be allowed it.
    if (type === 'Provenance') continue
    const isRetold = stored && retold.includes(referenceTo(stored))
    const interaction = stored && !isRetold ? 'update' : 'create'
    const decision = await access.decide({ caller, interaction, type, stored, incoming })
    if (!decision.permit)
      throw new Failure('forbidden', [
        { text: `You may not ${stored ? 'change' : 'make'} this ${type}`, expression: type },
      ])
    const { reasons, rules } = decision
    allowed.push({ resource: referenceTo(incoming), reasons, rules })
  }
  return allowed
}

/** Who sent what changes nothing must know that it did not. */
export function unchangedWarnings({ unchanged }: Placed): Issue[] {
  const types = [...new Set(unchanged.map(({ resourceType }) => resourceType))]
  return types.map((type) => ({
    severity: 'warning',
    code: 'informational',
    text: `What stands of a ${type} is as new as this or newer: it was not changed`,
  }))
}

/** What stands in the place of a resource. Throws Failure `conflict` for what was deleted. */
export async function findStanding(
  store: Pick<Store, 'read'>,
  { resourceType, id }: Identified,
): Promise<Identified | undefined> {
  const stored = await store.read(resourceType, id)
  if (stored?.deleted)
    throw new Failure(
      'conflict',
      `The ${resourceType} that this message changes was deleted: restore it first`,
    )
  return stored && (parseJson(stored.json) as Identified)
}

export function writeOf(
  next: Resource,
  id: string,
  previous: Identified | undefined,
  at: number,
): ResourceWrite {
  const version = previous ? versionOf(previous) + 1 : 1
  return {
    resource: versioned(next, id, version, at),
    version,
    updated: at,
    ...(previous ? { previous } : {}),
  }
}
