import type { Provenance, Task } from 'fhir/r4'
import { consequencesOf } from '#care/consequences.ts'
import { joinedRenewal, openRenewalOf } from '#care/renewal.ts'
import { renewalDifferences } from '#care/renewal-differences.ts'
import { kindOf } from '#care/task-states.ts'
import { toldOfTask } from '#care/task-told.ts'
import type { Caller } from '#core/caller.ts'
import type { NewDelivery, Nonce, ResourceWrite } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import type { Store, Vault } from '#core/ports.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'

export interface FollowUpPorts {
  store: Store
  access: Access
  vault: Pick<Vault, 'deriveId'>
}

export interface FollowedWrites {
  /** What the message became, in order. */
  results: ResourceWrite[]
  /** What follows from it. */
  writes: ResourceWrite[]
  nonces: Nonce[]
  deliveries: NewDelivery[]
  /** Tasks that stood here and the message speaks of, as they stand now: `Task/1/_history/3`. */
  places: string[]
}

/** What is first told of by a message has consequences too; of all else, only what changes it. */
export const followed: ReadonlySet<string> = new Set([
  'MedicationDispense',
  'MedicationAdministration',
  'Consent',
])

/**
 * What a message's writes come to by the rules of care (care/consequences): the writes themselves, and what follows from
 * them (the order completed, its holder asked, issues detected, people alerted), with what it was worked out from as
 * one-time values. A Task about an order that came with it stands as it is; any other is asked for or told of as over
 * FHIR. Ids are of the message, so that a replay makes nothing new. Throws Failure `invalid` or `conflict` for what care
 * refuses.
 */
export async function withFollowUps(
  { store, access, vault }: FollowUpPorts,
  placed: readonly ResourceWrite[],
  { caller, messageId, at }: { caller: Caller; messageId: string; at: number },
): Promise<FollowedWrites> {
  let count = 0
  const random = () => vault.deriveId('follow-up', caller.clientId, messageId, String(count++))
  const ports = { store, access, ids: { random }, parse: parseJson }
  const own = new Set<string>(placed.map(({ resource }) => referenceTo(resource)))
  const all: FollowedWrites = { results: [], writes: [], nonces: [], deliveries: [], places: [] }
  /** By the version that Provenance has for it, the one that stands. */
  const moved = new Map<string, string>()
  for (const write of placed) {
    const { resource, version, previous } = write
    const spoken = isAboutOthers(resource, own) && !previous
    const standing = spoken ? await standingTask(ports, { resource, caller, at }) : undefined
    if (standing) {
      moved.set(`${referenceTo(resource)}/_history/${version}`, standing.place)
      all.places.push(standing.place)
      all.writes.push(...standing.writes)
    } else if (version === 1 && !spoken && !followed.has(resource.resourceType)) {
      all.results.push(write)
    } else {
      const told = await consequencesOf(ports, { caller, resource, version, previous, at, told: true })
      all.results.push(told.result)
      all.writes.push(...told.writes.filter((each) => each !== told.result))
      all.nonces.push(...(told.nonces ?? []))
      all.deliveries.push(...(told.deliveries ?? []))
    }
  }
  const results = all.results.map((write) => ({ ...write, resource: pointed(write.resource, moved) }))
  return { ...all, results }
}

/** What another system keeps (an appointment) is about nothing here. */
function isAboutOthers(resource: Identified, own: ReadonlySet<string>): resource is Identified<Task> {
  if (resource.resourceType !== 'Task' || kindOf(resource) === 'mirror') return false
  return !own.has(resource.focus?.reference ?? '')
}

type Ports = Parameters<typeof consequencesOf>[0]

/** The Task that stands here already, where the message speaks of one; undefined where it asks for a new one. */
async function standingTask(
  ports: Ports,
  { resource, caller, at }: { resource: Identified<Task>; caller: Caller; at: number },
): Promise<{ place: string; writes: ResourceWrite[] } | undefined> {
  if (resource.status !== 'requested' && resource.status !== 'draft')
    return toldOfTask(ports, { caller, told: resource, at })
  const open = kindOf(resource) === 'renewal' ? await openRenewalOf(ports, resource) : undefined
  if (!open) return undefined
  const write = joinedRenewal(open, resource, at)
  const version = write?.version ?? open.meta?.versionId ?? '1'
  const issues = write ? await renewalDifferences(ports, { ...resource, id: open.id }, at) : []
  return { place: `${referenceTo(open)}/_history/${version}`, writes: [...(write ? [write] : []), ...issues] }
}

/** Provenance points at what the message became, which is not always what it was mapped to. */
function pointed(resource: Identified, moved: ReadonlyMap<string, string>): Identified {
  if (resource.resourceType !== 'Provenance' || moved.size === 0) return resource
  const target = (resource as Provenance).target.map((each) => {
    const place = moved.get(each.reference ?? '')
    return place ? { ...each, reference: place } : each
  })
  return { ...resource, target } as Identified
}
