import { createAccess } from '#access/authorize.ts'
import { createAudit } from '#audit/balp.ts'
import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { NewDelivery } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import { type Resource, versioned } from '#core/resource.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { createChannels } from '#outbound/channels.ts'
import { createDeliverer, type Deliverer, type DelivererSettings } from '#outbound/deliver.ts'
import { registerDestination } from '#outbound/destinations.ts'
import { createMllpClient } from '#outbound/mllp-client.ts'
import { openStore } from '../open-store.ts'

export interface Outbox {
  store: Store
  audit: Audit
  folder: string
  /** Milliseconds since the epoch; stands still unless `pass` moves it. */
  clock: Clock
  pass(ms: number): void
  /** Stores resources and queues a delivery of those named to the destination, in one commit. Resolves with its id. */
  queue(resources: readonly Resource[], destination: string, names: readonly string[]): Promise<string>
  register(destination: unknown): Promise<void>
  deliverer(settings?: Partial<DelivererSettings>): Deliverer
  close(): Promise<void>
}

const { profiles } = readArtifacts(new URL('../../', import.meta.url).pathname)

export const operator: Caller = {
  clientId: 'operator',
  name: 'Operator',
  role: 'operator',
  scopes: [],
  actors: [],
  purpose: 'HSYSADMIN',
  grants: [],
}

/** A real store with everything a delivery needs, and a clock that tests move. */
export async function openOutbox(
  folder?: string,
  start = Date.parse('2026-01-05T09:00:00Z'),
): Promise<Outbox> {
  const opened = await openStore(folder)
  const { store } = opened
  let now = start
  const clock: Clock = { now: () => now }
  const ids: Ids = { random: () => crypto.randomUUID() }
  const audit = createAudit({ server: { name: 'clinic', reference: 'Device/postern' }, ids })
  const access = createAccess({ store, clock })
  const mllp = createMllpClient()
  const channels = createChannels({ clock, ids, sendMllp: mllp.send, profiles })

  return {
    store,
    audit,
    folder: opened.folder,
    clock,
    pass: (ms) => {
      now += ms
    },
    async queue(resources, destination, names) {
      const id = ids.random()
      const writes = resources.map((resource) => ({
        resource: versioned(resource, resource.id ?? '', 1, now),
        version: 1,
        updated: now,
      }))
      const references = names.map((name) => name.split('/') as [string, string])
      const sent = resources.find((resource) => names.includes(`${resource.resourceType}/${resource.id}`))
      const patient = sent && patientOf(sent)
      const delivery: NewDelivery = {
        id,
        destination,
        resources: references.map(([type, each]) => ({ type, id: each, version: 1 })),
        ...(patient ? { patient } : {}),
        due: now,
      }
      const entities = writes.map(({ resource }) => `${resource.resourceType}/${resource.id}/_history/1`)
      const act = { kind: 'ingest' as const, outcome: 'success' as const, at: now, requestId: id, entities }
      const patients = patient ? [patient] : []
      await store.commit({
        audit: audit.record({ ...act, caller: operator, patients }),
        writes,
        deliveries: [delivery],
      })
      return id
    },
    register: async (destination) => {
      await registerDestination({ store, audit, clock, ids }, destination, operator)
    },
    deliverer: (settings) => createDeliverer({ store, access, audit, clock, ids, channels, settings }),
    close: () => {
      mllp.close()
      return opened.close()
    },
  }
}

export const patient: Resource = {
  resourceType: 'Patient',
  id: 'p1',
  identifier: [{ system: 'urn:oid:1.2.3', value: 'A1' }],
  name: [{ family: 'Muster', given: ['Erika'] }],
  birthDate: '1980-02-03',
  gender: 'female',
}

export const doctor: Resource = {
  resourceType: 'Practitioner',
  id: 'd1',
  identifier: [{ system: 'urn:oid:4.5', value: '7' }],
  name: [{ family: 'Arzt', given: ['Anna'] }],
}

export const corner: Resource = {
  resourceType: 'Organization',
  id: 'corner',
  identifier: [{ system: 'urn:oid:8', value: 'corner' }],
  name: 'Corner Pharmacy',
}

export const hospital: Resource = {
  resourceType: 'Organization',
  id: 'hospital',
  identifier: [{ system: 'urn:oid:8', value: 'hospital' }],
  name: 'Hospital',
}

export function messageOf(id: string, text = 'It hurts less today', about = 'Patient/p1'): Resource {
  return {
    resourceType: 'Communication',
    id,
    identifier: [{ system: 'urn:oid:6', value: id }],
    status: 'completed',
    subject: { reference: about },
    sender: { reference: about },
    recipient: [{ reference: 'Organization/hospital' }],
    payload: [{ contentString: text }],
  }
}

export function orderOf(id: string): Resource {
  return {
    resourceType: 'MedicationRequest',
    id,
    identifier: [{ system: 'urn:oid:9', value: id }],
    status: 'active',
    intent: 'order',
    subject: { reference: 'Patient/p1' },
    authoredOn: '2026-01-05T09:00:00Z',
    requester: { reference: 'Practitioner/d1' },
    medicationCodeableConcept: {
      coding: [
        { system: 'http://www.nlm.nih.gov/research/umls/rxnorm', code: '197361', display: 'Amlodipine 5 MG' },
      ],
      text: 'Amlodipine 5 mg oral tablet',
    },
    supportingInformation: [{ reference: 'Communication/why' }],
    note: [{ text: 'told in the chat' }],
    dosageInstruction: [{ text: 'one tablet in the morning' }],
    dispenseRequest: {
      numberOfRepeatsAllowed: 2,
      quantity: { value: 30, unit: 'tablet', system: 'http://unitsofmeasure.org', code: '{tbl}' },
      performer: { reference: 'Organization/corner' },
    },
    substitution: { allowedBoolean: true },
  }
}
