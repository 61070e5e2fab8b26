import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { registerClient } from '#auth/clients.ts'
import type { Caller } from '#core/caller.ts'
import type { Reference } from '#core/resource.ts'
import { registerDestination } from '#outbound/destinations.ts'
import { systemPorts } from '../../src/node.ts'
import { clientWithKey, openClinic, type TestClient, type TestClinic } from '../open-clinic.ts'
import type { Pharmacy } from '../peers/pharmacy.ts'

/** A clinic with the organizations and clients around it, all registered through its own doors. */
export interface Scene {
  clinic: TestClinic
  /** The messaging platform, trusted with orders that were authorised there. */
  platform: TestClient
  /** A platform without that trust. */
  drafter: TestClient
  /** The EHR of the organization that manages the patient. */
  ehr: TestClient
  /** The EHR of another organization. */
  stranger: TestClient
  /** The pharmacy that the fixtures' orders name. */
  pharmacy: TestClient
  otherPharmacy: TestClient
  auditor: TestClient
  organizations: Record<'northside' | 'elsewhere' | 'mainStreet' | 'otherPharmacy', Reference>
  patient: Reference
  /** Registers a system that receives. */
  destination(settings: object): Promise<void>
}

/** As it stands in the fixtures. */
export const patientIdentifier = { system: 'urn:oid:2.16.840.1.113883.19.5', value: 'MRN-4711' }
const npi = 'http://hl7.org/fhir/sid/us-npi'

export async function openScene(clinic?: TestClinic): Promise<Scene> {
  const open = clinic ?? (await openClinic())
  const platform = await open.client({
    id: 'platform',
    role: 'platform',
    scopes: ['system/*.cruds'],
    purposes: ['TREAT'],
    grants: ['order-source'],
  })
  const organization = async (value: string, name: string) =>
    made(platform, { resourceType: 'Organization', active: true, identifier: [{ system: npi, value }], name })
  const organizations = {
    northside: await organization('1770504203', 'Northside Clinic'),
    elsewhere: await organization('1659375549', 'Elsewhere Hospital'),
    mainStreet: await organization('1234567893', 'Main Street Pharmacy'),
    otherPharmacy: await organization('1912000007', 'Other Pharmacy'),
  }
  const patient = await made(platform, {
    resourceType: 'Patient',
    identifier: [patientIdentifier],
    name: [{ family: 'Okafor', given: ['Ada', 'Ngozi'] }],
    gender: 'female',
    birthDate: '1987-03-14',
    managingOrganization: { reference: organizations.northside },
  })
  const system = (id: string, role: 'ehr' | 'pharmacy', of: Reference) =>
    open.client({
      id,
      role,
      organization: of,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT', 'HMARKT'],
      grants: [],
    })
  return {
    clinic: open,
    platform,
    drafter: await open.client({
      id: 'drafter',
      role: 'platform',
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: [],
    }),
    ehr: await system('ehr', 'ehr', organizations.northside),
    stranger: await system('stranger', 'ehr', organizations.elsewhere),
    pharmacy: await system('pharmacy', 'pharmacy', organizations.mainStreet),
    otherPharmacy: await system('other-pharmacy', 'pharmacy', organizations.otherPharmacy),
    auditor: await open.client({
      id: 'auditor',
      role: 'auditor',
      scopes: ['system/AuditEvent.rs'],
      purposes: ['HOPERAT'],
      grants: [],
    }),
    organizations,
    patient,
    destination: async (settings) => {
      const ports = { store: open.store, audit: open.gateway.audit, ...systemPorts }
      await registerDestination(ports, settings, operator)
    },
  }
}

/** Creates a resource over FHIR and says where it stands. */
export async function made(
  client: TestClient,
  resource: { resourceType: string; [element: string]: unknown },
): Promise<Reference> {
  const answer = await client.request('POST', `/fhir/${resource.resourceType}`, resource, {
    prefer: 'return=representation',
  })
  if (answer.status !== 201) throw new Error(`${resource.resourceType} was not made: ${answer.text}`)
  return `${resource.resourceType}/${answer.body.id}`
}

const operator: Caller = {
  clientId: 'test-setup',
  name: 'test setup',
  role: 'operator',
  scopes: [],
  actors: [],
  purpose: 'HOPERAT',
  grants: [],
}

/** The text of a fixture, and its parts changed where a test needs its own. */
export function fixture(path: string): string {
  return readFileSync(new URL(`../../fixtures/${path}`, import.meta.url), 'utf8')
}

// biome-ignore lint/suspicious/noExplicitAny: a fixture is whatever a sender may send
export function message(path: string, changes: object = {}): any {
  return { ...JSON.parse(fixture(path)), ...changes }
}

/** Where each resource of a receipt stands, by type. */
export function placesIn(receipt: { resources: string[] }, type: string): string[] {
  return receipt.resources
    .filter((each) => each.startsWith(`${type}/`))
    .map((each) => each.replace(/\/_history\/.*$/, ''))
}

// biome-ignore lint/suspicious/noExplicitAny: a bundle of anything
export function resourcesOf(bundle: any): any[] {
  return (bundle.entry ?? []).map((entry: { resource: unknown }) => entry.resource)
}

/** A folder in which a scene was set and closed again, for a gateway of another process. */
export interface Prepared {
  /** What the gateway must be started with, so that its address is the one that clients' tokens name. */
  settings: Record<string, string>
  patient: Reference
  /** The scene's clients, at the address where the gateway came up. */
  clients(baseUrl: string): Pick<Scene, 'platform' | 'ehr' | 'auditor' | 'pharmacy'>
}

/** Sets the scene in a folder: an MLLP partner on this machine, and the systems that receive. */
export async function prepareFolder(
  folder: string,
  receivers: { pharmacy?: Pick<Pharmacy, 'host' | 'port'>; ehr?: string; timeoutMs?: number },
): Promise<Prepared> {
  const scene = await openScene(await openClinic({}, folder))
  const { clinic, organizations } = scene
  const timeoutMs = receivers.timeoutMs ?? 5_000
  if (receivers.pharmacy)
    await scene.destination({
      id: 'main-street',
      name: 'Main Street Pharmacy',
      role: 'pharmacy',
      organization: organizations.mainStreet,
      purpose: 'TREAT',
      channel: {
        kind: 'mllp',
        host: receivers.pharmacy.host,
        port: receivers.pharmacy.port,
        timeoutMs,
        sending: { application: 'POSTERN', facility: 'TEST' },
        receiving: { application: 'DISPENSE', facility: 'MAIN' },
      },
    })
  if (receivers.ehr)
    await scene.destination({
      id: 'northside-ehr',
      name: 'Northside EHR',
      role: 'ehr',
      organization: organizations.northside,
      purpose: 'TREAT',
      channel: { kind: 'fhir', address: receivers.ehr, timeoutMs },
    })
  await registerClient(
    clinic.store,
    clinic.gateway.audit,
    {
      id: 'rxwriter',
      name: 'RxWriter',
      role: 'ehr',
      organization: organizations.northside,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: ['order-source'],
      jwks: { keys: [] },
      active: true,
      hl7v2: { addresses: ['127.0.0.1'], timeZone: 'America/Chicago' },
    },
    { requestId: 'test-setup', at: systemPorts.clock.now() },
  )
  await clinic.stop()
  const port = String(await freePort())
  return {
    settings: { POSTERN_PORT: port, POSTERN_MLLP_PORT: '0' },
    patient: scene.patient,
    clients(baseUrl) {
      const again = ({ id, key }: TestClient, scopes: string[]) =>
        clientWithKey(baseUrl, { id, scopes }, key, `${id}-1`)
      return {
        platform: again(scene.platform, ['system/*.cruds']),
        ehr: again(scene.ehr, ['system/*.cruds']),
        pharmacy: again(scene.pharmacy, ['system/*.cruds']),
        auditor: again(scene.auditor, ['system/AuditEvent.rs']),
      }
    },
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const address = probe.address()
  await new Promise<void>((resolve) => probe.close(() => resolve()))
  return typeof address === 'object' && address ? address.port : 0
}
