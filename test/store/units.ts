import type { Communication, MedicationRequest } from 'fhir/r4'
import type { AuditEntry } from '#core/act.ts'
import type { CommitUnit, ResourceWrite } from '#core/commit.ts'
import type { Store, Stored, Vault } from '#core/ports.ts'
import type { Criterion, SearchQuery } from '#core/query.ts'
import { type Identified, type Resource, versioned } from '#core/resource.ts'
import type { Driver } from '#store/driver.ts'

/** A store to be held to the contract, with what stands below it. */
export interface OpenedStore {
  store: Store
  driver: Driver
  vault: Vault
}

/** Opens a fresh store, runs a claim where the database lives, closes it. */
export type WithStore = (claim: (opened: OpenedStore) => Promise<void>) => Promise<void>

export const at = Date.parse('2026-11-21T08:00:00Z')

export function newId(): string {
  return crypto.randomUUID()
}

export function entry(more: Partial<AuditEntry> = {}): AuditEntry {
  const id = newId()
  const event = { resourceType: 'AuditEvent', id, recorded: new Date(more.recorded ?? at).toISOString() }
  return { id, recorded: at, json: JSON.stringify(event), entities: [], ...more }
}

export function message(patient: string, more: Partial<Communication> = {}): Communication {
  return {
    resourceType: 'Communication',
    status: 'completed',
    subject: { reference: `Patient/${patient}` },
    payload: [{ contentString: 'How is the rash today?' }],
    ...more,
  }
}

export function order(patient: string, more: Partial<MedicationRequest> = {}): MedicationRequest {
  return {
    resourceType: 'MedicationRequest',
    status: 'active',
    intent: 'order',
    medicationCodeableConcept: { text: 'Amoxicillin' },
    subject: { reference: `Patient/${patient}` },
    ...more,
  }
}

/** Version 1 of a resource. */
export function created(resource: Resource, id = newId(), updated = at): ResourceWrite {
  return { resource: versioned(resource, id, 1, updated), version: 1, updated }
}

export function updated(
  before: ResourceWrite,
  resource: Resource,
  when = before.updated + 1000,
): ResourceWrite {
  const { id } = before.resource
  const version = before.version + 1
  return {
    resource: versioned(resource, id, version, when),
    version,
    updated: when,
    previous: before.resource,
  }
}

export function deleted(before: ResourceWrite, when = before.updated + 1000): ResourceWrite {
  const { resource, version } = before
  return { resource, version: version + 1, updated: when, deleted: true, previous: resource }
}

/** Writes in one unit, with an audit entry. */
export function unitOf(...writes: ResourceWrite[]): CommitUnit {
  return { audit: [entry()], writes }
}

export async function createAll(store: Store, resources: Resource[], when = at): Promise<ResourceWrite[]> {
  const writes = resources.map((resource, i) => created(resource, newId(), when + i))
  for (const write of writes) await store.commit(unitOf(write))
  return writes
}

/** Ids that a search finds, in its order. */
export async function found(
  store: Store,
  type: string,
  criteria: Criterion[],
  more: Partial<SearchQuery> = {},
): Promise<string[]> {
  return (await store.search({ type, criteria, limit: 100, ...more })).map(({ stored }) => stored.id)
}

export function idsOf(writes: { resource: Identified }[]): string[] {
  return writes.map(({ resource }) => resource.id)
}

export function bodyOf(stored: Stored | undefined): Record<string, unknown> {
  return JSON.parse(stored?.json || '{}') as Record<string, unknown>
}

/** Outcomes of promises: `ok`, or the kind of failure. */
export async function outcomes(promises: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(promises)
  return settled.map((each) =>
    each.status === 'fulfilled' ? 'ok' : String((each.reason as { kind?: string }).kind),
  )
}

export function countOf(list: readonly string[], value: string): number {
  return list.filter((each) => each === value).length
}
