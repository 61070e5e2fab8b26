import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK } from 'jose'
import { registerDestination } from '#outbound/destinations.ts'
import { systemPorts } from '../../src/node.ts'
import { openClinic, type TestClient, type TestClinic } from '../open-clinic.ts'
import {
  type AuthorizationServer,
  generateJwks,
  startAuthorizationServer,
} from '../peers/authorization-server.ts'
import { type Ehr, startEhr } from '../peers/ehr.ts'
import { type Pharmacy, startPharmacy } from '../peers/pharmacy.ts'

/** Everything that stands on the demo's stage. */
export interface Stage {
  clinic: TestClinic
  ehrServer: Ehr
  ehrTokens: AuthorizationServer
  pharmacy: Pharmacy
  /** The messaging platform, which also keeps the directory. */
  platform: TestClient
  /** The EHR of the clinic that treats the patient, and one of another clinic. */
  northside: TestClient
  lakeside: TestClient
  pharmacyClient: TestClient
  auditor: TestClient
  close(): Promise<void>
}

const npi = 'http://hl7.org/fhir/sid/us-npi'
export const organizations = {
  northside: 'platform.northside',
  lakeside: 'platform.lakeside',
  pharmacy: 'platform.main-street-pharmacy',
} as const

/** Starts the gateway and, as real servers on loopback, systems that are not ours; registers who may call and who receives. */
export async function setStage(folder: string): Promise<Stage> {
  mkdirSync(folder, { recursive: true })
  const clinic = await openClinic({ POSTERN_CLINIC: 'demo-clinic' }, folder)
  const keys = await generateJwks('ES384', 'postern-at-ehr')
  const ehrTokens = await startAuthorizationServer({
    clients: [{ clientId: 'postern', scope: 'system/*.cruds', jwks: keys.jwks }],
  })
  const ehrServer = await startEhr({ verify: ehrTokens.verify })
  const pharmacy = await startPharmacy()

  const reader = { role: 'ehr', scopes: ['system/*.rs'], purposes: ['TREAT'], grants: [] } as const
  const platform = await clinic.client({
    id: 'platform',
    role: 'platform',
    scopes: ['system/*.cruds'],
    purposes: ['TREAT'],
    grants: ['order-source'],
    hl7v2: { addresses: ['127.0.0.1'], timeZone: 'America/Chicago' },
  })
  const client = (
    id: string,
    organization: string,
    more: Partial<Parameters<TestClinic['client']>[0]> = {},
  ) =>
    clinic.client({
      ...reader,
      id,
      organization: `Organization/${organization}`,
      ...more,
      scopes: [...(more.scopes ?? reader.scopes)],
      purposes: ['TREAT'],
      grants: [],
    })
  const northside = await client('northside-ehr', organizations.northside)
  const lakeside = await client('lakeside-ehr', organizations.lakeside)
  const pharmacyClient = await client('main-street-pharmacy', organizations.pharmacy, { role: 'pharmacy' })
  const auditor = await client('auditor', organizations.northside, {
    role: 'auditor',
    scopes: ['system/AuditEvent.rs'],
  })

  await keepDirectory(platform)
  await registerDestinations(clinic, { ehrServer, ehrTokens, pharmacy, key: keys.privateKey })
  writeFileSync(
    join(folder, 'northside-ehr.jwk.json'),
    JSON.stringify({ ...(await exportJWK(northside.key)), kid: 'northside-ehr-1', alg: 'ES384' }),
    { mode: 0o600 },
  )

  return {
    clinic,
    ehrServer,
    ehrTokens,
    pharmacy,
    platform,
    northside,
    lakeside,
    pharmacyClient,
    auditor,
    async close() {
      await clinic.stop()
      await Promise.all([ehrServer.close(), ehrTokens.close(), pharmacy.close()])
    },
  }
}

/** Who works where, and whose patient she is: this is what "treating party" is decided by (J29). */
async function keepDirectory(platform: TestClient): Promise<void> {
  const organization = (id: string, name: string, number: string) => ({
    resourceType: 'Organization',
    id,
    active: true,
    name,
    identifier: [{ system: npi, value: number }],
  })
  const entries = [
    organization(organizations.northside, 'Northside Clinic', '1770504203'),
    organization(organizations.lakeside, 'Lakeside Clinic', '1558302211'),
    organization(organizations.pharmacy, 'Main Street Pharmacy', '1234567893'),
    {
      resourceType: 'Practitioner',
      id: 'platform.brandt',
      active: true,
      identifier: [{ system: npi, value: '1306847203' }],
      name: [{ family: 'Brandt', given: ['Maria'], prefix: ['Dr.'] }],
    },
    {
      resourceType: 'PractitionerRole',
      id: 'platform.brandt-at-northside',
      active: true,
      practitioner: { reference: 'Practitioner/platform.brandt' },
      organization: { reference: `Organization/${organizations.northside}` },
    },
    {
      resourceType: 'Patient',
      id: 'platform.okafor',
      active: true,
      identifier: [{ system: 'urn:oid:2.16.840.1.113883.19.5', value: 'MRN-4711' }],
      name: [{ family: 'Okafor', given: ['Ada', 'Ngozi'] }],
      gender: 'female',
      birthDate: '1987-03-14',
      managingOrganization: { reference: `Organization/${organizations.northside}` },
    },
  ]
  for (const entry of entries) {
    const { status, text } = await platform.request('PUT', `/fhir/${entry.resourceType}/${entry.id}`, entry)
    if (status !== 201 && status !== 200) throw new Error(`The directory refused ${entry.id}: ${text}`)
  }
}

interface Receivers {
  ehrServer: Ehr
  ehrTokens: AuthorizationServer
  pharmacy: Pharmacy
  key: object
}

async function registerDestinations(clinic: TestClinic, { ehrServer, ehrTokens, pharmacy, key }: Receivers) {
  const ports = { store: clinic.store, audit: clinic.gateway.audit, ...systemPorts }
  const by = {
    clientId: 'demo',
    name: 'demo',
    role: 'operator',
    scopes: [],
    actors: [],
    purpose: 'HOPERAT',
    grants: [],
  } as const
  await registerDestination(
    ports,
    {
      id: 'northside-ehr',
      name: 'Northside EHR (Medplum FHIR router)',
      role: 'ehr',
      organization: `Organization/${organizations.northside}`,
      purpose: 'TREAT',
      channel: {
        kind: 'fhir',
        address: ehrServer.base,
        token: { url: ehrTokens.tokenUrl, clientId: 'postern', scope: 'system/*.cruds', key },
      },
    },
    by,
  )
  await registerDestination(
    ports,
    {
      id: 'main-street-pharmacy',
      name: 'Main Street Pharmacy (Medplum MLLP receiver)',
      role: 'pharmacy',
      organization: `Organization/${organizations.pharmacy}`,
      purpose: 'TREAT',
      channel: {
        kind: 'mllp',
        host: pharmacy.host,
        port: pharmacy.port,
        sending: { application: 'POSTERN', facility: 'NORTHSIDE' },
        receiving: { application: 'PHARM', facility: 'MAINST' },
      },
    },
    by,
  )
}
