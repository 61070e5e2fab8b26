import type { Reference, Resource } from '#core/resource.ts'

/** Paths to the persons and organizations that have a part in a resource: who may be its treating party (J29). */
const partyPaths: Readonly<Record<string, readonly string[]>> = {
  Communication: ['sender', 'recipient'],
  CommunicationRequest: ['sender', 'recipient', 'requester'],
  QuestionnaireResponse: ['author', 'source'],
  MedicationRequest: ['requester', 'performer', 'recorder', 'dispenseRequest.performer'],
  MedicationDispense: ['performer.actor', 'receiver'],
  MedicationAdministration: ['performer.actor'],
  Task: ['requester', 'owner'],
  Consent: ['performer', 'organization'],
  Patient: ['generalPractitioner', 'managingOrganization'],
  CareTeam: ['participant.member', 'participant.onBehalfOf', 'managingOrganization'],
  Group: ['managingEntity'],
  DocumentReference: ['author', 'custodian'],
  Provenance: ['agent.who', 'agent.onBehalfOf'],
  Flag: ['author'],
  Encounter: ['participant.individual', 'serviceProvider'],
  EpisodeOfCare: ['careManager', 'managingOrganization'],
}

/** Paths to who made the content, for `authoredby` in consents. */
const authorPaths: Readonly<Record<string, readonly string[]>> = {
  Communication: ['sender'],
  CommunicationRequest: ['requester'],
  QuestionnaireResponse: ['author', 'source'],
  MedicationRequest: ['requester', 'recorder'],
  MedicationDispense: ['performer.actor'],
  MedicationAdministration: ['performer.actor'],
  Task: ['requester'],
  Consent: ['performer'],
  Observation: ['performer'],
  DocumentReference: ['author'],
  Provenance: ['agent.who'],
  Flag: ['author'],
}

export function partiesOf(resource: Resource): Reference[] {
  return collect(resource, partyPaths[resource.resourceType] ?? [])
}

export function authorsOf(resource: Resource): Reference[] {
  return collect(resource, authorPaths[resource.resourceType] ?? [])
}

/** The references at a path, relative ones without version; others name nobody we know. */
export function referencesAt(resource: Resource, path: string): Reference[] {
  return collect(resource, [path])
}

/** The references of elements of type Reference. */
export function referencesOf(...elements: unknown[]): Reference[] {
  const found: Reference[] = []
  gather(elements, [], 0, found)
  return found
}

/** Every relative reference in a resource, wherever it stands. */
export function referencesIn(resource: Resource): Reference[] {
  const found: Reference[] = []
  const walk = (value: unknown) => {
    if (value === null || typeof value !== 'object') return
    const reference = relative((value as { reference?: unknown }).reference)
    if (reference) found.push(reference)
    for (const item of Object.values(value)) walk(item)
  }
  walk(resource)
  return found
}

function collect(resource: Resource, paths: readonly string[]): Reference[] {
  const found: Reference[] = []
  for (const path of paths) gather(resource, path.split('.'), 0, found)
  return found
}

function gather(value: unknown, steps: readonly string[], at: number, found: Reference[]): void {
  if (Array.isArray(value)) {
    for (const item of value) gather(item, steps, at, found)
    return
  }
  if (value === null || typeof value !== 'object') return
  const step = steps[at]
  if (step !== undefined) {
    gather((value as Record<string, unknown>)[step], steps, at + 1, found)
    return
  }
  const reference = relative((value as { reference?: unknown }).reference)
  if (reference) found.push(reference)
}

function relative(value: unknown): Reference | undefined {
  if (typeof value !== 'string') return undefined
  const match = /^([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/[A-Za-z0-9.-]{1,64})?$/.exec(value)
  return match?.[1] as Reference | undefined
}
