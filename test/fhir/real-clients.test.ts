import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { FetchFhirClient } from '@bonfhir/core/r4b'
import { MedplumClient } from '@medplum/core'
import fhirJs from 'fhir.js'
import { Client } from 'fhir-kit-client'
import smart from 'fhirclient'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openClinic, type TestClient, type TestClinic } from '../open-clinic.ts'

/** Clients that nobody here wrote, unmodified, over a real socket and with tokens from the token endpoint (F11). */
describe('a clinic is worked with by', () => {
  let clinic: TestClinic
  let platform: TestClient
  let kit: Client
  let medplum: MedplumClient
  let token: string

  beforeAll(async () => {
    clinic = await openClinic()
    platform = await clinic.client({
      id: 'platform',
      role: 'platform',
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: [],
    })
    token = await platform.token()
    kit = new Client({ baseUrl: `${clinic.baseUrl}/fhir`, bearerToken: token })
    medplum = new MedplumClient({ baseUrl: clinic.baseUrl, fhirUrlPath: 'fhir', fetch, cacheTime: 0 })
    medplum.setAccessToken(token)
  })
  afterAll(() => clinic.close())

  const named = (family: string, value: string): Named => ({
    resourceType: 'Patient',
    identifier: [{ system: 'urn:mrn', value }],
    name: [{ family }],
  })

  it('MedplumClient: create, read, search, pages, history, patch, batch, transaction, delete', async () => {
    const made = await medplum.createResource(named('Medplum', '1'))
    expect(await medplum.readResource('Patient', made.id)).toEqual(made)
    expect((await medplum.createResourceIfNoneExist(named('Medplum', '1'), 'identifier=urn:mrn|1')).id).toBe(
      made.id,
    )
    const patched = await medplum.patchResource('Patient', made.id, [
      { op: 'add', path: '/active', value: true },
    ])
    expect(patched).toMatchObject({ active: true, meta: { versionId: '2' } })
    expect((await medplum.readHistory('Patient', made.id)).entry).toHaveLength(2)
    expect(await medplum.readVersion('Patient', made.id, '1')).toEqual(made)
    for (const n of ['2', '3']) await medplum.createResource(named('Medplum', n))
    const pages: number[] = []
    for await (const page of medplum.searchResourcePages('Patient', 'name=medpl&_count=2'))
      pages.push(page.length)
    expect(pages).toEqual([2, 1])
    const urn = 'urn:uuid:5b1b5e0c-0f2b-4d61-9d0e-6f6a0c0a7a11'
    const transaction = await medplum.executeBatch({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { fullUrl: urn, resource: named('Medplum', '4'), request: { method: 'POST', url: 'Patient' } },
        {
          resource: { resourceType: 'RelatedPerson', patient: { reference: urn } },
          request: { method: 'POST', url: 'RelatedPerson' },
        },
      ],
    })
    expect(transaction.entry?.map(({ response }) => response?.status)).toEqual(['201', '201'])
    const [person, related] = transaction.entry ?? []
    expect(related?.resource).toMatchObject({ patient: { reference: `Patient/${person?.resource?.id}` } })
    const issues = (await medplum.validateResource(named('Medplum', '5'))).issue
    expect(issues.map(({ severity }) => severity)).toEqual(['information'])
    await medplum.deleteResource('Patient', made.id)
    await expect(medplum.readResource('Patient', made.id)).rejects.toThrow()
  })

  it('fhir-kit-client: patch, transaction, batch, operation, histories and searches by POST', async () => {
    const made = await kit.create({ resourceType: 'Patient', body: named('Kit', 'k1') })
    const id = String(made.id)
    const patched = await kit.patch({
      resourceType: 'Patient',
      id,
      jsonPatch: [{ op: 'replace', path: '/name/0/family', value: 'Kitten' }],
    })
    expect(patched).toMatchObject({ name: [{ family: 'Kitten' }] })
    const found = await kit.resourceSearch({
      resourceType: 'Patient',
      searchParams: { family: 'kitt', birthdate: 'lt2026' },
    })
    expect(found).toMatchObject({ resourceType: 'Bundle', type: 'searchset' })
    const body = {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [
        { request: { method: 'GET', url: `Patient/${id}` } },
        { request: { method: 'GET', url: 'Patient?family=kitten' } },
      ],
    }
    const batch = (await kit.batch({ body: body as never })) as unknown as {
      entry: { response: { status: string } }[]
    }
    expect(batch.entry.map(({ response }) => response.status)).toEqual(['200', '200'])
    const transaction = { ...body, type: 'transaction' }
    expect(await kit.transaction({ body: transaction as never })).toMatchObject({
      type: 'transaction-response',
    })
    expect(await kit.history({ resourceType: 'Patient' })).toMatchObject({ type: 'history' })
    const everything = await kit.operation({ name: 'everything', resourceType: 'Patient', id, method: 'GET' })
    expect(everything).toMatchObject({ type: 'searchset', entry: [{ resource: { id } }] })
  })

  it('fhirclient: create, read, references, pages, history, transaction, patch, update, delete', async () => {
    const request = new IncomingMessage(new Socket())
    const nothingKept = {
      get: async () => undefined,
      set: async (_: string, value: unknown) => value,
      unset: async () => true,
    }
    const serverUrl = `${clinic.baseUrl}/fhir`
    const state = { serverUrl, tokenResponse: { access_token: token } }
    const client = smart(request, new ServerResponse(request), nothingKept).client(state)
    const made = await client.create<Found>(named('Smart', 's1'))
    const url = `Patient/${made.id}`
    expect(await client.request(url)).toEqual(made)
    expect(await client.patch(url, [{ op: 'add', path: '/active', value: true }])).toMatchObject({
      active: true,
      meta: { versionId: '2' },
    })
    const related = await client.create<Found>({
      resourceType: 'RelatedPerson',
      patient: { reference: url },
    })
    expect(
      await client.request(`RelatedPerson/${related.id}`, { resolveReferences: 'patient' }),
    ).toMatchObject({
      patient: { name: [{ family: 'Smart' }] },
    })
    const transaction = await client.request<Answered>({
      url: '',
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json' },
      body: JSON.stringify({
        resourceType: 'Bundle',
        type: 'transaction',
        entry: ['s2', 's3'].map((value) => ({
          resource: named('Smart', value),
          request: { method: 'POST', url: 'Patient' },
        })),
      }),
    })
    expect(transaction.entry.map(({ response }) => response.status)).toEqual(['201', '201'])
    const pages: number[] = []
    for await (const page of client.pages('Patient?family=smart&_count=2'))
      pages.push(page.entry?.length ?? 0)
    expect(pages).toEqual([2, 1])
    const ids = await client.request('Patient?family=smart&_count=1', { pageLimit: 0, flat: true })
    expect(ids).toHaveLength(3)
    expect(await client.request(`${url}/_history`)).toMatchObject({ type: 'history', entry: [{}, {}] })
    const ifMatch = { headers: { 'if-match': 'W/"2"' } }
    const updated = await client.update<Found>({ ...made, active: false } as never, ifMatch)
    expect(updated).toMatchObject({ active: false, meta: { versionId: '3' } })
    await client.delete(url)
    await expect(client.request(url)).rejects.toMatchObject({ status: 410 })
    expect(await client.getFhirRelease()).toBe(4)
  })

  it('fhir.js: conformance, create, read, search, pages, histories, transaction, patch, update, delete', async () => {
    const client = fhirJs({ baseUrl: `${clinic.baseUrl}/fhir`, auth: { bearer: token } })
    expect((await client.conformance({})).data.fhirVersion).toBe('4.0.1')
    const { data: made } = await client.create({ resource: named('Old', 'o1') })
    const place = { type: 'Patient', id: made.id }
    expect((await client.read(place)).data).toEqual(made)
    const change = [{ op: 'replace', path: '/name/0/family', value: 'Older' }]
    expect((await client.patch({ ...place, data: change })).data).toMatchObject({
      name: [{ family: 'Older' }],
    })
    expect((await client.vread({ ...place, versionId: '1' })).data).toEqual(made)
    expect((await client.resourceHistory(place)).data.entry).toHaveLength(2)
    expect((await client.typeHistory({ type: 'Patient' })).data.type).toBe('history')
    const entry = ['o2', 'o3'].map((value) => ({
      resource: named('Older', value),
      request: { method: 'POST', url: 'Patient' },
    }))
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry }
    expect((await client.transaction({ bundle })).data.entry).toHaveLength(2)
    const query = { family: 'older', _count: 2, $sort: ['_lastUpdated'] }
    const first = (await client.search({ type: 'Patient', query })).data
    expect(first.entry).toHaveLength(2)
    expect((await client.nextPage({ bundle: first })).data.entry).toHaveLength(1)
    await client.delete(place)
    await expect(client.read(place)).rejects.toMatchObject({ status: 410 })
  })

  it('@bonfhir/core: create, read, search, pages, history, patch, transaction, conditional create', async () => {
    const client = new FetchFhirClient({ baseUrl: `${clinic.baseUrl}/fhir`, auth: `Bearer ${token}` })
    expect((await client.capabilities()).fhirVersion).toBe('4.0.1')
    const made = await client.create(named('Bon', 'b1'))
    expect(await client.read('Patient', made.id)).toEqual(made)
    const patched = await client.patch('Patient', made.id, (patch) => patch.add('/active', true))
    expect(patched).toMatchObject({ active: true, meta: { versionId: '2' } })
    expect(await client.vread('Patient', made.id, '1')).toEqual(made)
    expect((await client.history('Patient', made.id)).bundle.entry).toHaveLength(2)
    const saved = await client.save({ ...patched, active: false }, { preventConcurrentUpdates: true })
    expect(saved.meta.versionId).toBe('3')
    const again = await client.createOr('return', named('Bon', 'b1'), (search) =>
      search.identifier({ system: 'urn:mrn', value: 'b1' }),
    )
    expect(again[0].id).toBe(made.id)
    const urn = 'urn:uuid:5b1b5e0c-0f2b-4d61-9d0e-6f6a0c0a7a12'
    const related = { resourceType: 'RelatedPerson' as const, patient: { reference: urn } }
    // As a Bundle: its BundleExecutor sends a transaction twice (send in 2.22.1 falls through to batch).
    const transaction = await client.transaction({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { fullUrl: urn, resource: named('Bon', 'b2'), request: { method: 'POST', url: 'Patient' } },
        {
          resource: related,
          request: { method: 'POST', url: 'RelatedPerson' },
        },
      ],
    })
    expect(transaction.entry?.map(({ response }) => response?.status)).toEqual(['201', '201'])
    await client.create(named('Bon', 'b3'))
    const pages: number[] = []
    await client.searchByPage('Patient', 'family=bon&_count=2', (page) => {
      pages.push(page.searchMatch().length)
    })
    expect(pages).toEqual([2, 1])
    await client.delete('Patient', made.id)
    await expect(client.read('Patient', made.id)).rejects.toMatchObject({ status: 410 })
  })
})

interface Named {
  [element: string]: unknown
  resourceType: 'Patient'
  id?: string
  identifier: { system: string; value: string }[]
  name: { family: string }[]
  active?: boolean
}

interface Found {
  resourceType: string
  id: string
}

interface Answered {
  entry: { response: { status: string } }[]
}
