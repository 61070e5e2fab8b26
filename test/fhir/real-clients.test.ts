import { MedplumClient } from '@medplum/core'
import { Client } from 'fhir-kit-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openClinic, type TestClient, type TestClinic } from '../open-clinic.ts'

/** Clients that nobody here wrote, unmodified, over a real socket and with tokens from the token endpoint (F11). */
describe('a clinic is worked with by', () => {
  let clinic: TestClinic
  let platform: TestClient
  let kit: Client
  let medplum: MedplumClient

  beforeAll(async () => {
    clinic = await openClinic()
    platform = await clinic.client({
      id: 'platform',
      role: 'platform',
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: [],
    })
    const token = await platform.token()
    kit = new Client({ baseUrl: `${clinic.baseUrl}/fhir`, bearerToken: token })
    medplum = new MedplumClient({ baseUrl: clinic.baseUrl, fhirUrlPath: 'fhir', fetch, cacheTime: 0 })
    medplum.setAccessToken(token)
  })
  afterAll(() => clinic.close())

  const named = (family: string, value: string) => ({
    resourceType: 'Patient' as const,
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
})
